import { describe, expect, it } from 'vitest';
import { judgeRemovals, type Removal, recentRemovals, type Verdict } from '../../../agent/accounts/guard.ts';

const removals = (count: number, from = 0): Removal[] =>
  Array.from({ length: count }, (_, index) => ({
    user: `user${from + index}`,
    uid: 200_000 + from + index,
    why: 'absent',
  }));
const names = (some: readonly Removal[]) => some.map(({ user }) => user);
const LIMITS = { maxRemovals: 3, maxRemovalsPercent: 10 };
const NOTHING = { approved: null, held: [] };
const judge = (
  some: readonly Removal[],
  before: number,
  memory: { approved: string | null; held: readonly string[] } = NOTHING,
  recent = 0,
): Verdict => judgeRemovals(some, { before, recent }, LIMITS, memory);

describe('judgeRemovals', () => {
  it.each([
    [0, 0, false],
    [3, 5, false],
    [4, 5, true],
    [10, 100, false],
    [11, 100, true],
    [10, 109, false],
    [1, 1, true],
    [3, 3, true],
  ])('%i of %i', (count, before, isHeld) => {
    const { held, spared } = judge(removals(count), before);
    expect([held !== null, spared.size]).toEqual([isHeld, isHeld ? count : 0]);
  });

  it('goes ahead with exactly the plan that was approved, in whatever order', () => {
    const hash = judge(removals(5), 10).held?.hash ?? '';
    const memory = { approved: hash, held: names(removals(5)) };
    expect(judge(removals(5).reverse(), 10, memory)).toMatchObject({ held: null, approved: true });
    expect(judge(removals(6), 10, memory).held?.removals).toHaveLength(6);
    expect(judge(removals(4), 10, memory).held?.removals).toHaveLength(4);
    const other = removals(5).map((removal): Removal => ({ ...removal, why: 'disabled' }));
    expect(judge(other, 10, memory).held?.removals).toHaveLength(5);
  });

  it('keeps each user held that was, when new accounts or one removal more or less make the plan look small', () => {
    const { hash } = judge(removals(4), 4).held ?? {};
    const memory = { approved: null, held: names(removals(4)) };
    expect(judge(removals(4), 400, memory).held?.hash).toBe(hash);
    expect([...judge(removals(3), 400, memory).spared]).toEqual(names(removals(3)));
    // The fifth was never held, and is a small part of all.
    expect([...judge(removals(5), 400, memory).spared]).toEqual(names(removals(4)));
    expect(judge(removals(5), 400, { approved: hash ?? '', held: memory.held }).held).toBeNull();
    expect(judge(removals(2, 10), 400, memory).held).toBeNull();
  });

  it('counts what went ahead lately, against the accounts that there were', () => {
    expect(judge(removals(2), 92, NOTHING, 8).held).toBeNull();
    expect(judge(removals(3), 92, NOTHING, 8).held?.removals).toHaveLength(3);
    expect(judge(removals(1), 90, NOTHING, 10).held?.removals).toHaveLength(1);
  });

  it('with both limits at 0 holds every removal', () => {
    const limits = { maxRemovals: 0, maxRemovalsPercent: 0 };
    expect(
      judgeRemovals(removals(1), { before: 10, recent: 0 }, limits, NOTHING).held?.removals,
    ).toHaveLength(1);
  });
});

describe('recentRemovals', () => {
  it('forgets after a day, and takes a time in the future for now', () => {
    const now = Date.UTC(2026, 0, 2);
    const recent = [
      { user: 'old', at: now - 86_400_000 },
      { user: 'young', at: now - 86_399_999 },
      { user: 'future', at: now + 10 ** 12 },
    ];
    expect(recentRemovals(recent, now)).toEqual([
      { user: 'young', at: now - 86_399_999 },
      { user: 'future', at: now },
    ]);
  });
});
