import { describe, expect, it } from 'vitest';
import { judgeRemovals, type Removal } from '../../../agent/accounts/guard.ts';

const removals = (count: number): Removal[] =>
  Array.from({ length: count }, (_, index) => ({
    user: `user${index}`,
    uid: 200_000 + index,
    why: 'absent',
  }));
const LIMITS = { maxRemovals: 3, maxRemovalsPercent: 10 };
const NOTHING = { approved: null, held: null };

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
  ])('%i of %i', (count, before, held) => {
    expect(judgeRemovals(removals(count), before, LIMITS, NOTHING) !== undefined).toBe(held);
  });

  it('goes ahead with exactly the plan that was approved, in whatever order', () => {
    const held = judgeRemovals(removals(5), 10, LIMITS, NOTHING);
    const hash = held?.hash ?? '';
    expect(judgeRemovals(removals(5).reverse(), 10, LIMITS, { approved: hash, held: hash })).toBeUndefined();
    expect(judgeRemovals(removals(6), 10, LIMITS, { approved: hash, held: hash })).toBeDefined();
    expect(judgeRemovals(removals(4), 10, LIMITS, { approved: hash, held: hash })).toBeDefined();
    const other = removals(5).map((removal): Removal => ({ ...removal, why: 'disabled' }));
    expect(judgeRemovals(other, 10, LIMITS, { approved: hash, held: hash })).toBeDefined();
  });

  it('keeps holding what it held when new accounts make it a small part of all, but not what is another plan', () => {
    const hash = judgeRemovals(removals(4), 4, LIMITS, NOTHING)?.hash ?? '';
    expect(judgeRemovals(removals(4), 400, LIMITS, { approved: null, held: hash })?.hash).toBe(hash);
    expect(judgeRemovals(removals(3), 400, LIMITS, { approved: null, held: hash })).toBeUndefined();
    expect(judgeRemovals(removals(4), 400, LIMITS, NOTHING)).toBeUndefined();
  });

  it('with both limits at 0 holds every removal', () => {
    expect(
      judgeRemovals(removals(1), 10, { maxRemovals: 0, maxRemovalsPercent: 0 }, NOTHING)?.removals,
    ).toHaveLength(1);
  });
});
