import { expect, it } from 'vitest';
import { isForeign, isNotAfter, mayFollowSkipped } from '../../../agent/uploads/cursor.ts';

const place = (series: string, number: number, boot: string, monotonic: number, at: number) => ({
  cursor: `s=${series};i=${number.toString(16)};b=${boot};m=${monotonic.toString(16)};t=1;x=2`,
  at,
});
const READ = place('aa', 100, 'b1', 5_000, 1_000);

it.each([
  ['the same line', place('aa', 100, 'b1', 5_000, 1_000), true],
  ['the next, though the clock was set back', place('aa', 101, 'b1', 5_001, 1), false],
  ['an earlier one, though the clock was set back since', place('aa', 99, 'b1', 4_999, 9_999), true],
  ['an earlier one of another file', place('cc', 500, 'b1', 4_999, 9_999), true],
  ['a later one of a journal begun anew', place('cc', 1, 'b1', 5_001, 1_001), false],
  ['a later one of another boot and journal', place('cc', 1, 'b2', 7, 1_001), false],
  ['an earlier one of another boot and journal', place('cc', 1, 'b0', 9_000, 999), true],
])('%s', (_what, line, isOld) => {
  expect(isNotAfter(line, READ)).toBe(isOld);
});

it.each([
  ['the next of its series', place('aa', 101, 'b1', 5_001, 1_001), false, false],
  ['the next of its boot', place('cc', 7, 'b1', 5_001, 1_001), false, false],
  ['the first of a foreign series, dated back', place('cc', 1, 'b2', 7_000, 500), true, false],
  [
    'a later one of a series that began before, by its own clock',
    place('cc', 9, 'b2', 7_000, 1_005),
    true,
    true,
  ],
  ['a later one of a boot that began after', place('cc', 9, 'b2', 7_000, 1_008), true, false],
])('what the wall clock alone can order: %s', (_what, line, foreign, skipped) => {
  expect(isForeign(line, READ)).toBe(foreign);
  expect(mayFollowSkipped(line, READ)).toBe(skipped);
});
