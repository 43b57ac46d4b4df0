import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { parseConfig } from '../../../agent/config.ts';
import { MOST_REQUESTS } from '../../../agent/uploads/delivery.ts';
import { follow, type Sighting } from '../../../agent/uploads/delivery-plan.ts';
import { createDeliveryRound } from '../../../agent/uploads/delivery-round.ts';
import type { FileQuestion } from '../../../agent/uploads/file-question.ts';
import { NO_TOTALS, type Outstanding } from '../../../agent/uploads/state.ts';
import { createTally } from '../../../agent/uploads/tally.ts';
import { T0 } from './journal-fixture.ts';

const CONFIG = parseConfig(
  '[mount]\nfile_system_id = "fs-0123456789abcdef0"\n[uploads]\nbucket = "bucket"\nprefix = "in/"',
  'test',
);
const { signal } = new AbortController();

/** @param file what stat(1) says about each */
function rig(
  answer: (item: Outstanding) => Promise<Sighting>,
  uploads: number,
  file = '',
  isOpen = () => false,
) {
  const tally = createTally([], NO_TOTALS);
  for (let n = 0; n < uploads; n += 1) {
    const path = `/upload/${n}`;
    const common = { session: 's', user: 'alice', uncounted: false, attempts: 0, overdue: false };
    follow(tally.book, {
      id: `${n}`,
      path,
      size: 1,
      openedAt: T0,
      closedAt: T0,
      renamedAt: null,
      dueAt: T0,
      ...common,
    });
  }
  const asked: Outstanding[] = [];
  let clock = 0;
  const look = (item: Outstanding) => {
    asked.push(item);
    return answer(item);
  };
  const exportErrors: string[] = [];
  const askFile: FileQuestion = async ({ path }, commandOf, answerOf) => {
    if (commandOf(path)[0] === 'stat') return answerOf(file);
    exportErrors.push(path);
    return answerOf('ExportError=S3AccessDenied');
  };
  const edges = { now: () => T0 + 60_000 + clock, monotonicMs: () => clock };
  const round = createDeliveryRound(tally, () => CONFIG, { look }, askFile, isOpen, edges);
  const pass = async (ms: number) => {
    await turnOfLoop();
    clock += ms;
    round.turn(signal);
  };
  return { round, tally, asked, exportErrors, pass };
}

const FOUND: Sighting = { kind: 'found', versionId: 'v', etag: 'e', bytes: 1, modifiedAt: T0 + 1_000 };

it('asks about all that is due, so many at once and no more', async () => {
  const waiting: (() => void)[] = [];
  const answer = () => new Promise<Sighting>((resolve) => waiting.push(() => resolve(FOUND)));
  const { tally, asked, pass } = rig(answer, 40);
  await pass(0);
  await pass(10);
  expect(asked).toHaveLength(MOST_REQUESTS);
  while (tally.book.size > 0) {
    for (const reply of waiting.splice(0)) reply();
    await pass(100);
  }
  expect(asked).toHaveLength(40);
  expect(new Set(asked.map(({ id }) => id)).size).toBe(40);
  expect(tally.totals.delivered).toBe(40);
  expect(tally.effects.lines[0]?.fields).toMatchObject({ bucket: 'bucket', key: 'in/alice/upload/0' });
});

it('leaves S3 alone for a while when it gives no answer, and says why', async () => {
  const { round, asked, pass } = rig(async () => ({ kind: 'unknown', problem: 'timeout' }), 100);
  await pass(0);
  await pass(10);
  expect(asked.length).toBeLessThanOrEqual(2 * MOST_REQUESTS);
  const before = asked.length;
  await pass(1_000);
  expect(asked).toHaveLength(before);
  expect(round.problem()).toContain('timeout');
  await pass(6_000);
  expect(asked.length).toBeGreaterThan(before);
});

it('asks the next question when one is answered, without waiting for the log', async () => {
  const { asked, tally, pass } = rig(async () => FOUND, 1_000);
  await pass(0);
  for (let n = 0; n < 5; n += 1) await pass(250);
  expect(new Set(asked.map(({ id }) => id)).size).toBe(1_000);
  expect(asked).toHaveLength(1_000);
  expect(tally.totals.delivered).toBe(1_000);
});

it('asks on about others while one object is denied', async () => {
  const denied: Sighting = { kind: 'unknown', problem: 'access denied (HTTP 403)' };
  const { asked, round, tally, pass } = rig(async ({ id }) => (id === '0' ? denied : FOUND), 1);
  await pass(0);
  await pass(10);
  expect(asked).toHaveLength(1);
  expect(round.problem()).toContain('HTTP 403');
  const [first] = tally.book.values();
  if (first !== undefined) follow(tally.book, { ...first, id: '1', path: '/upload/1', dueAt: T0 });
  await pass(1_000);
  await pass(10);
  expect(asked.map(({ id }) => id)).toEqual(['0', '1']);
  expect(round.problem()).toBeNull();
});

it('reads the export error of a file that is overdue, once', async () => {
  const { tally, exportErrors, pass } = rig(async () => ({ kind: 'absent' }), 1);
  await pass(0);
  expect(exportErrors).toEqual([]);
  await pass(900_000);
  await pass(2_000);
  await pass(0);
  expect(exportErrors).toEqual(['/upload/0']);
  expect(tally.effects.lines).toMatchObject([
    { message: 'upload undelivered', fields: { 'export-error': 'S3AccessDenied' } },
  ]);
});

it('takes a version from before the close without waiting for the deadline, when the file proves it', async () => {
  const early: Sighting = { ...FOUND, modifiedAt: T0 };
  const { tally, pass } = rig(async () => early, 1, `1 ${(T0 - 50_000) / 1000}.000\n`);
  for (const item of tally.book.values())
    tally.book.set('alice/upload/0', { ...item, openedAt: T0 - 60_000, closedAt: T0 + 1_000 });
  await pass(0);
  await pass(2_000);
  await pass(2_000);
  expect(tally.totals.delivered).toBe(1);
  expect(tally.effects.lines).toMatchObject([{ message: 'upload delivered', fields: { bytes: 1 } }]);
});

it.each([
  ['before it is asked', [true]],
  ['while it is asked', [false, true]],
])('takes nothing for proven by a file that a session opened again %s', async (_when, opened) => {
  const early: Sighting = { ...FOUND, modifiedAt: T0 };
  const looks = [...opened];
  const isOpen = () => looks.shift() ?? true;
  const { tally, pass } = rig(async () => early, 1, `1 ${(T0 - 50_000) / 1000}.000\n`, isOpen);
  for (const item of tally.book.values())
    tally.book.set('alice/upload/0', { ...item, openedAt: T0 - 60_000, closedAt: T0 + 1_000 });
  await pass(0);
  await pass(2_000);
  await pass(2_000);
  expect(tally.totals.delivered).toBe(0);
});
