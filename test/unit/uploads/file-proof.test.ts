import { describe, expect, it } from 'vitest';
import type { Found, Sighting } from '../../../agent/uploads/delivery-plan.ts';
import { fileStateOf, isAsItStands, proveByFile } from '../../../agent/uploads/file-proof.ts';
import type { FileQuestion } from '../../../agent/uploads/file-question.ts';
import type { Outstanding } from '../../../agent/uploads/state.ts';
import { T0 } from './journal-fixture.ts';

const SCHEDULE = { exportDelayMs: 60_000, deadlineMs: 900_000 };
/** Opened at T0, written for a second, closed three minutes later: exported after one. */
const HELD_OPEN = {
  user: 'alice',
  path: '/upload/a',
  size: 10,
  openedAt: T0,
  closedAt: T0 + 180_000,
  renamedAt: null,
  overdue: false,
} as Outstanding;
const FOUND: Found = { kind: 'found', versionId: 'v', etag: 'e', bytes: 10, modifiedAt: T0 + 61_000 };

function file(bytes: number, changedAt: number) {
  const asked: string[][] = [];
  const ask: FileQuestion = async (_item, commandOf, answerOf) => {
    asked.push([...commandOf('/home/sftp/alice/upload/a')]);
    return answerOf(`${bytes} ${(changedAt / 1000).toFixed(3)}\n`);
  };
  return { ask, asked };
}

describe('a version from before the close', () => {
  it('is proven at once by a file that has not changed since', async () => {
    const { ask, asked } = file(10, T0 + 1_000);
    expect(await proveByFile(HELD_OPEN, FOUND, SCHEDULE, ask)).toMatchObject({
      kind: 'delivered',
      found: FOUND,
      lagSeconds: 0,
      otherSize: false,
    });
    expect(asked).toEqual([['stat', '--format=%s %.3Z', '--', '/home/sftp/alice/upload/a']]);
  });
  it('is proven of a file that was added to, whose size the log does not know', async () => {
    const { ask } = file(10, T0 + 1_000);
    const verdict = await proveByFile({ ...HELD_OPEN, size: null }, FOUND, SCHEDULE, ask);
    expect(verdict?.kind).toBe('delivered');
  });
  it.each<[string, ReturnType<typeof file>]>([
    ['was written since', file(10, T0 + 120_000)],
    ['was written just before the export that is stamped so', file(10, T0 + 40_000)],
    ['has another size', file(11, T0 + 1_000)],
  ])('is not when the file %s', async (_what, { ask }) => {
    expect(await proveByFile(HELD_OPEN, FOUND, SCHEDULE, ask)).toBeUndefined();
  });
  it('is not when the file can’t be asked', async () => {
    expect(await proveByFile(HELD_OPEN, FOUND, SCHEDULE, async () => null)).toBeUndefined();
  });
});

it('tells a size that is not the one that was written', async () => {
  const { ask } = file(15, T0 + 170_000);
  const found = { ...FOUND, bytes: 15, modifiedAt: T0 + 240_000 };
  const item = { ...HELD_OPEN, overdue: false };
  expect(await proveByFile(item, found, SCHEDULE, ask)).toMatchObject({ lagSeconds: 60, otherSize: true });
});

it.each<[string, Partial<Outstanding>, Sighting]>([
  ['no object', {}, { kind: 'absent' }],
  ['no answer', {}, { kind: 'unknown', problem: 'timeout' }],
  ['a version from before it was opened', {}, { ...FOUND, modifiedAt: T0 - 1 }],
  ['a version from before a close whose opening is not known', { openedAt: null }, FOUND],
  ['what lay at the new name before the rename', { renamedAt: T0 + 70_000 }, FOUND],
])('asks no file for %s', async (_what, changes, sighting) => {
  const { ask, asked } = file(10, T0 + 1_000);
  expect(await proveByFile({ ...HELD_OPEN, ...changes }, sighting, SCHEDULE, ask)).toBeUndefined();
  expect(asked).toEqual([]);
});

it('reads what stat(1) says, and nothing else', () => {
  expect(fileStateOf('12 1795481640.250\n')).toEqual({ bytes: 12, changedAt: T0 + 250 });
  for (const text of ['', '12\n', 'x 1.000\n', '1 1.000\n2 2.000\n']) expect(fileStateOf(text)).toBeNull();
});

it('allows for S3’s cut of a second’s fraction where an export waits for two', () => {
  const file = { bytes: 1, changedAt: T0 + 900 };
  expect(isAsItStands({ bytes: 1, modifiedAt: T0 + 2_000 }, file, { exportDelayMs: 2_000 })).toBe(true);
  expect(isAsItStands({ bytes: 1, modifiedAt: T0 + 1_000 }, file, { exportDelayMs: 2_000 })).toBe(false);
});
