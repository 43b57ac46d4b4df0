import * as v from 'valibot';
import type { MetricKind } from './catalogue.ts';

export const seriesSchema = v.variant('kind', [
  v.object({ kind: v.literal('sum'), value: v.number() }),
  v.object({
    kind: v.literal('extremes'),
    sum: v.number(),
    count: v.number(),
    least: v.number(),
    most: v.number(),
  }),
  /** Pairs of a value and how often it came. */
  v.object({ kind: v.literal('values'), values: v.array(v.tuple([v.number(), v.number()])) }),
]);
/** The values of one metric in one period. */
export type Series = v.InferOutput<typeof seriesSchema>;

/** Three significant digits, so within 0.5 %: a period then has few different values. */
const DIGITS = 3;
/** Past so many different values a period keeps two digits, so within 5 %. */
const MOST_VALUES = 1_000;
const FEWER_DIGITS = 2;

/** @returns the series with one more value; the one given may be changed */
export function addTo(series: Series | undefined, kind: MetricKind, value: number): Series {
  switch (kind) {
    case 'count':
      return mergeInto(series, { kind: 'sum', value });
    case 'gauge':
      return mergeInto(series, { kind: 'extremes', sum: value, count: 1, least: value, most: value });
    case 'distribution':
      return mergeInto(series, { kind: 'values', values: [[Number(value.toPrecision(DIGITS)), 1]] });
  }
}

/** @returns both series as one; the first may be changed. Series of different kinds: the later kind stands */
export function mergeInto(into: Series | undefined, from: Series): Series {
  if (into === undefined || into.kind !== from.kind) return structuredClone(from);
  if (into.kind === 'sum' && from.kind === 'sum') into.value += from.value;
  else if (into.kind === 'extremes' && from.kind === 'extremes') {
    into.sum += from.sum;
    into.count += from.count;
    into.least = Math.min(into.least, from.least);
    into.most = Math.max(into.most, from.most);
  } else if (into.kind === 'values' && from.kind === 'values') {
    if (from.values.length === 1)
      for (const [value, count] of from.values) addValue(into.values, value, count);
    else into.values = counted([...into.values, ...from.values]);
    if (into.values.length > MOST_VALUES) into.values = coarser(into.values);
  }
  return into;
}

function addValue(values: [number, number][], value: number, count: number): void {
  const known = values.find(([each]) => each === value);
  if (known === undefined) values.push([value, count]);
  else known[1] += count;
}

/** @returns the distribution with two digits a value, so with fewer different ones */
export function coarser(values: readonly [number, number][]): [number, number][] {
  return counted(values.map(([value, count]) => [Number(value.toPrecision(FEWER_DIGITS)), count]));
}

function counted(pairs: readonly (readonly [number, number])[]): [number, number][] {
  const counts = new Map<number, number>();
  for (const [value, count] of pairs) counts.set(value, (counts.get(value) ?? 0) + count);
  return [...counts];
}
