import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createCommitter } from '../../../agent/uploads/commit.ts';
import { createFold } from '../../../agent/uploads/sessions.ts';
import { emptyUploadState, type UploadState } from '../../../agent/uploads/state.ts';
import { createTally, type Effects } from '../../../agent/uploads/tally.ts';
import { T0 } from './journal-fixture.ts';

function rig(commit?: (state: UploadState, effects: Effects) => Promise<void>) {
  const state = emptyUploadState(T0);
  const fold = createFold([]);
  const tally = createTally([], state.totals);
  const committed: { state: UploadState; effects: Effects }[] = [];
  let clock = 0;
  const committer = createCommitter(
    state,
    fold,
    tally,
    async (next, effects) => {
      await commit?.(next, effects);
      committed.push({ state: next, effects });
    },
    { now: () => T0, monotonicMs: () => clock, log: pino({ level: 'silent' }) },
  );
  const pass = (ms: number) => {
    clock += ms;
  };
  return { committer, tally, committed, pass };
}

const { signal } = new AbortController();
const count = { name: 'UploadCount', value: 1, at: T0, user: 'alice' } as const;
const line = { level: 'info', message: 'm', fields: { 'event-id': 'a' } } as const;

it('puts a burst into one write, with its lines in the outbox', async () => {
  const { committer, tally, committed, pass } = rig();
  for (let n = 0; n < 100; n += 1) {
    tally.effects.counts.push(count);
    tally.effects.lines.push(line);
    committer.reached({ cursor: `c${n}`, at: T0 });
    await committer.commitIfDue(signal);
  }
  expect(committed).toHaveLength(0);
  pass(250);
  await committer.commitIfDue(signal);
  expect(committed).toHaveLength(1);
  expect(committed[0]?.effects.counts).toHaveLength(100);
  expect(committed[0]?.state).toMatchObject({ position: { cursor: 'c99' } });
  expect(committed[0]?.state.outbox.lines).toHaveLength(100);
});

it('writes the position alone only now and then, and nothing at all when nothing came', async () => {
  const { committer, committed, pass } = rig();
  pass(60_000);
  await committer.commitIfDue(signal);
  expect(committed).toHaveLength(0);
  committer.reached({ cursor: 'c1', at: T0 });
  await committer.commitIfDue(signal);
  expect(committed).toHaveLength(1);
  committer.reached({ cursor: 'c2', at: T0 });
  pass(1_000);
  await committer.commitIfDue(signal);
  expect(committed).toHaveLength(1);
});

it('tries again when the disk is full, with the counts handed over only once', async () => {
  const seen: number[] = [];
  let full = true;
  const { committer, tally, committed, pass } = rig(async (_state, { counts }) => {
    seen.push(counts.length);
    if (full) {
      full = false;
      expect(committer.problem()).toBeNull();
      throw new Error('ENOSPC');
    }
    expect(committer.problem()).toBe('ENOSPC');
  });
  tally.effects.counts.push(count);
  tally.effects.lines.push(line);
  pass(250);
  await committer.commitIfDue(signal);
  expect(seen).toEqual([1, 0]);
  expect(committed).toHaveLength(1);
  expect(committed[0]?.effects.lines).toEqual([line]);
  expect(committer.problem()).toBeNull();
});

it('rests longer after a slow write, so that writing stays a tenth of the time', async () => {
  const { committer, tally, committed, pass } = rig(async () => pass(1_000));
  const push = () => tally.effects.lines.push(line);
  push();
  pass(250);
  await committer.commitIfDue(signal);
  push();
  pass(5_000);
  await committer.commitIfDue(signal);
  expect(committed).toHaveLength(1);
  pass(5_000);
  await committer.commitIfDue(signal);
  expect(committed).toHaveLength(2);
});

it('keeps the lines of a write that fails during the stop, for the last write’s outbox', async () => {
  const stop = new AbortController();
  let failing = 2;
  const handed: number[] = [];
  const { committer, tally, committed, pass } = rig(async (_state, { counts }) => {
    handed.push(counts.length);
    if (failing === 0) return;
    failing -= 1;
    stop.abort();
    throw new Error('ENOSPC');
  });
  tally.effects.counts.push(count);
  tally.effects.lines.push(line);
  committer.reached({ cursor: 'b', at: T0 });
  pass(250);
  await committer.commitIfDue(stop.signal);
  tally.effects.lines.push({ ...line, fields: { 'event-id': 'b' } });
  await committer.commitNow();
  await committer.commitNow();
  expect(handed).toEqual([1, 0, 0]);
  expect(committed).toHaveLength(1);
  expect(committed[0]?.state).toMatchObject({ position: { cursor: 'b' } });
  expect(committed[0]?.state.outbox.lines.map(({ fields }) => fields['event-id'])).toEqual(['a', 'b']);
  expect(committed[0]?.effects.lines).toHaveLength(2);
});
