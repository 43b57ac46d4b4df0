import { describe, expect, it } from 'vitest';
import { enduranceCount, enduranceFault } from '../../system/endurance-faults.ts';
import { judgeEndurance, renderEndurance, type Sample } from '../../system/endurance-verdict.ts';

/** A run of 45 minutes on which nothing piles up. */
const FLAT: readonly Sample[] = Array.from({ length: 11 }, (_, index) => ({
  ...{ faults: index * 100, minutes: index * 4.5, residentMiB: 100 + (index % 3), threads: 11, files: 30 },
  ...{ children: 3, units: 4, tunnels: 4, stateFiles: 9, mounts: 1, probesStuck: 0, medianSeconds: 2.5 },
  logFiles: 3 + Math.min(index * 100, 250),
}));
const grown = (change: (sample: Sample, index: number) => Partial<Sample>) =>
  FLAT.map((sample, index) => ({ ...sample, ...change(sample, index) }));

describe('a thousand faults', () => {
  it('pass where nothing piles up', () => {
    expect(judgeEndurance(FLAT, true)).toEqual([]);
  });

  it.each([
    ['logFiles', grown((_, index) => ({ logFiles: 3 + index * 100 })), /^logFiles: 1003/],
    ['threads', grown((_, index) => ({ threads: 11 + index })), /^threads: from 12 to 21/],
    ['memory', grown((_, index) => ({ residentMiB: 100 + 5 * index })), /^memory grew from 105 to 150/],
    ['state files', grown((_, index) => ({ stateFiles: 9 + 15 * index })), /^stateFiles/],
    ['stuck probes', grown((_, index) => ({ probesStuck: index > 5 ? 1 : 0 })), /^probesStuck/],
  ] as const)('fail where %s pile up', (_, samples, told) => {
    const problems = judgeEndurance(samples, true);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(told);
  });

  it('fail where the agent did not survive, or nothing was measured', () => {
    expect(judgeEndurance(FLAT, false)).toEqual(['the agent was restarted']);
    expect(judgeEndurance(FLAT.slice(0, 1), true)).toEqual(['nothing was measured']);
  });

  it('have some that hang, and not so many that they take an afternoon', () => {
    const kinds: Record<string, number> = {};
    for (let number = 1; number <= 1000; number += 1) {
      const { title } = enduranceFault(number);
      kinds[title] = (kinds[title] ?? 0) + 1;
    }
    expect(kinds['the proxy stopped']).toBeGreaterThanOrEqual(40);
    expect(kinds['the mount lost, and the helper hanging']).toBe(5);
    expect(Object.keys(kinds)).toHaveLength(5);
  });

  it('are told as a table whose columns fit its head', () => {
    const text = renderEndurance({
      ...{ samples: FLAT, problems: [], kinds: { '`umount -l`': 1000 }, at: '2026-11-24T12:00:00.000Z' },
      product: { name: 's3files-sftp-agent-0.1.0-1', sha256: 'a'.repeat(64) },
    });
    const rows = text.split('\n').filter((line) => line.startsWith('|'));
    expect(new Set(rows.map((row) => row.split('|').length)).size).toBe(1);
    expect(rows[2]?.split('|').map((cell) => cell.trim())).toEqual([
      '',
      ...Object.values(FLAT[0] ?? {}).map(String),
      '',
    ]);
  });
});

it.each(['0', '', 'abc', '-3', '1e3', '2.5'])('refuses %j faults', (text) => {
  expect(() => enduranceCount(text)).toThrow(/is no number of faults/);
});
