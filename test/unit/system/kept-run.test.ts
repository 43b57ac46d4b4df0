import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { beginRun, openRun, resumeRun } from '../../system/kept-run.ts';
import { CELLS } from '../../system/matrix.ts';
import { goodCourse, OUTAGE } from './course-fixture.ts';

const PRODUCT = { name: 's3files-sftp-agent-0.1.0-1', sha256: 'a'.repeat(64) };
const OTHER = { ...PRODUCT, sha256: 'b'.repeat(64) };
const [first, second] = CELLS;
if (first === undefined || second === undefined) throw new Error('the matrix has cells');
const failed = goodCourse(second.load, { events: OUTAGE.slice(0, 3) });

let directory: string;
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'kept-run-')), 'run');
});
afterEach(async () => await rm(join(directory, '..'), { recursive: true }));

it('goes on with the cells that were not played, or not as promised', async () => {
  const run = await beginRun(PRODUCT, directory);
  expect(await run.remaining(CELLS)).toEqual(CELLS);
  await run.keep(first, { course: goodCourse(first.load) });
  await run.keep(second, { course: failed });
  await run.keepMinutes(1.5);

  const again = await resumeRun(PRODUCT, directory);
  expect(await again.remaining(CELLS)).toEqual(CELLS.slice(1));
  await again.keep(second, { problem: 'the guest does not answer' });
  await again.keep(second, { course: goodCourse(second.load) });
  await again.keepMinutes(2);
  const { results, minutes, planned } = await again.outcome(CELLS);
  expect({ minutes, planned, played: results.length }).toEqual({
    minutes: 3.5,
    planned: CELLS.length,
    played: 2,
  });
  expect(results[1]).toMatchObject({
    faults: [],
    earlier: [
      expect.stringContaining('never served again'),
      expect.stringContaining('not played to its end'),
    ],
  });
});

it('never mixes builds: another one does not go on, and a new run puts the last aside', async () => {
  const run = await beginRun(PRODUCT, directory);
  await run.keep(first, { course: goodCourse(first.load) });
  await expect(resumeRun(OTHER, directory)).rejects.toThrow(
    /of another build \(a{12}\) than this one \(b{12}\)/,
  );
  const fresh = await beginRun(OTHER, directory);
  expect(await fresh.outcome(CELLS)).toMatchObject({ product: OTHER, results: [] });
  expect((await (await openRun(`${directory}.last`)).outcome(CELLS)).results).toHaveLength(1);
});

it('has nothing to go on with before the first run', async () => {
  await expect(openRun(directory)).rejects.toThrow(/no last run/);
});
