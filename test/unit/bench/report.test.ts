import { expect, test } from 'vitest';
import { figureLine, met } from '../../bench/report.ts';

test('a figure meets its goal at the goal itself, and misses it beyond', () => {
  expect(met({ name: 'sync', value: 12, unit: 's', atMost: 12 })).toBe(true);
  expect(met({ name: 'sync', value: 12.1, unit: 's', atMost: 12 })).toBe(false);
  expect(met({ name: 'rate', value: 249_999, unit: 'lines/s', atLeast: 250_000 })).toBe(false);
});

test('the line says the figure, its goal and whether it is met', () => {
  const line = figureLine({ name: 'parse and fold', value: 312_345.6, unit: 'lines/s', atLeast: 250_000 });
  expect(line).toMatch(/^parse and fold +312,346 lines\/s +at least 250,000 +met$/);
  expect(figureLine({ name: 'sync', value: 13, unit: 's', atMost: 12 })).toMatch(
    /13\.00 s +at most 12 +MISSED$/,
  );
});

test('a figure without a goal is only told', () => {
  expect(figureLine({ name: 'moto’s own time', value: 10.25, unit: 's' })).toMatch(/10\.25 s$/);
});
