import { describe, expect, it } from 'vitest';
import { explanationOf } from '../../system/explanations.ts';
import { FAULTS } from '../../system/faults.ts';
import { percentile } from '../../system/figures.ts';
import { HELPER_FAILURES } from '../../system/helper-failures.ts';
import { judge, unplayed } from '../../system/judge.ts';
import { CELLS } from '../../system/matrix.ts';
import { closingLine, type Outcome, renderReport } from '../../system/report.ts';
import { isUnblocked } from '../../system/shutdown.ts';
import { goodCourse, OUTAGE } from './course-fixture.ts';

const PRODUCT = { name: 's3files-sftp-agent-0.1.0-1', sha256: 'abcdef012345'.padEnd(64, '0') };
const kept = { at: '2026-11-24T12:00:00.000Z', earlier: [] };
const good = { ...judge('server-killed', 'idle', FAULTS['server-killed'], goodCourse('idle')), ...kept };
const never = {
  ...judge(
    'server-stopped',
    'idle',
    FAULTS['server-stopped'],
    goodCourse('idle', { events: OUTAGE.slice(0, 3) }),
  ),
  ...kept,
};
const broken = { ...unplayed('umount', 'idle', 'the guest does not answer'), ...kept };
const outcome = (results: Outcome['results'], planned = results.length): Outcome => ({
  ...{ product: PRODUCT, results, planned, shutdowns: [], minutes: 5 },
});

describe('a percentile', () => {
  it('ranks what never came as longer than anything, and leaves out what could not', () => {
    expect(percentile([3, 'never', 1, null], 0.5)).toBe(3);
    expect(percentile([3, 'never', 1, null], 0.95)).toBe('never');
    expect(percentile([null], 0.95)).toBeNull();
    const twenty = Array.from({ length: 20 }, (_, index) => index + 1);
    expect(percentile(twenty, 0.95)).toBe(19);
  });
});

describe('the page', () => {
  it('says of what build it is', () => {
    expect(renderReport(outcome([good]))).toMatch(/s3files-sftp-agent-0\.1\.0-1, SHA-256 abcdef012345…/);
  });

  it('prints “never” in the cell and among the figures', () => {
    const page = renderReport(outcome([good, never]));
    expect(page).toMatch(/server stopped[^\n]*\*\*11 \/ never\*\*/);
    expect(page).toMatch(/served again, after the end of the cause \| 2 \| 10 s \| never \| never \|/);
  });

  it('counts a cell that was not played as failed, and nowhere as fine', () => {
    const page = renderReport(outcome([good, broken]));
    expect(page).toMatch(/In the 1 cells that were played/);
    expect(page).toMatch(/`umount` by hand \| \*\*not played\*\*/);
    expect(page).toMatch(/greatest age of a watchdog ping \(of 30 s\) \| 1 \|/);
    expect(closingLine(outcome([good, broken], 90))).toBe('1 passed, 1 failed, 88 not played');
  });

  it('says when it is not whole, and what a cell was before it was played again', () => {
    const again = { ...good, earlier: ['never served again'] };
    const page = renderReport(outcome([again], 90));
    expect(page).toMatch(/not a whole run:\*\* 89 of 90/);
    expect(page).toMatch(/server-killed × idle[^\n]*before: never served again/);
  });
});

it('explains lateness with a known reason, and nothing else', () => {
  const late = { ...good, fault: 'helper-hangs', faults: ['served again after more than 20 s'] };
  expect(explanationOf(late)).toMatch(/46 s/);
  expect(explanationOf({ ...late, faults: [...late.faults, 'left behind: 2 mounts'] })).toBe('');
});

describe('the cells', () => {
  it('are every fault of the mount under every load, and no cell twice', () => {
    const names = CELLS.map(({ name, load }) => `${name}/${load}`);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !name.startsWith('helper-'))).toHaveLength(4 * Object.keys(FAULTS).length);
  });

  it('have each of the helper’s failures, and one of each ending that is a failure under another load', () => {
    const failures = Object.values(HELPER_FAILURES);
    const endings = new Set(failures.map(({ ending }) => ending));
    endings.delete('mounts all the same');
    for (const ending of endings) {
      expect(
        failures.some((each) => each.ending === ending && each.alsoUnder),
        ending,
      ).toBe(true);
    }
  });
});

it('takes a shutdown for blocked after 90 s, and 45 s after a healthy host', () => {
  expect(isUnblocked(true, 60, 20)).toBe(true);
  expect(isUnblocked(true, 66, 20)).toBe(false);
  expect(isUnblocked(true, 91, 80)).toBe(false);
  expect(isUnblocked(false, 30, 20)).toBe(false);
});
