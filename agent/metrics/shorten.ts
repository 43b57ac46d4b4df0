import type { Period, SeriesKey } from './buffer-state.ts';
import { coarser, mergeInto, type Series } from './series.ts';

/** Values that wait, and what had to be let go of. Changed in place. */
interface Waiting {
  readonly periods: Map<number, Period>;
  readonly dropped: Map<string, number>;
}

/** CloudWatch takes timestamps from two weeks ago (PutMetricData, MetricDatum.Timestamp); an hour is left to send. */
const OLDEST_MS = 14 * 86_400_000 - 3_600_000;
/** So many periods keep their own time; older ones are merged into their hours, which loses no value. */
const MOST_FINE = 180;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/**
 * So many series and different values wait at most: some 100 bytes each in memory, as much again for the copy that
 * goes to the disk, in a heap of 96 MB. The ten metrics of two weeks without CloudWatch are an eighth of it.
 */
const MOST_WEIGHT = 50_000;

/**
 * Keeps the buffer small while CloudWatch is away, and drops what it would refuse for its age. Time is given up first:
 * minutes become hours, then hours days; values are dropped last, those of single users before those of all.
 */
export function shorten(waiting: Waiting, now: number): void {
  for (const period of inOrder(waiting))
    if (now - period.start > OLDEST_MS) drop(waiting, period, () => true);
  merge(waiting, inOrder(waiting).slice(0, -MOST_FINE), HOUR_MS, now);
  if (weightOf(waiting) <= MOST_WEIGHT) return;
  merge(waiting, inOrder(waiting), HOUR_MS, now);
  if (weightOf(waiting) <= MOST_WEIGHT) return;
  const old = inOrder(waiting).filter(({ start }) => start < now - DAY_MS);
  merge(waiting, old, DAY_MS, now);
  for (const period of inOrder(waiting)) coarsen(period);
  let excess = weightOf(waiting) - MOST_WEIGHT;
  for (const which of [isOfUser, () => true]) {
    for (const period of inOrder(waiting)) {
      if (excess <= 0) return;
      excess -= drop(waiting, period, which);
    }
  }
}

const inOrder = ({ periods }: Waiting) => [...periods.values()].sort((a, b) => a.start - b.start);

const isOfUser = (key: string) => key.includes(' ');

/** Merges periods that are over into longer ones, which begin at a multiple of `lengthMs` and end with their last. */
function merge({ periods }: Waiting, which: readonly Period[], lengthMs: number, now: number): void {
  for (const period of which) {
    const start = Math.floor(period.start / lengthMs) * lengthMs;
    if (start === period.start || period.end > now) continue;
    const longer = periods.get(start) ?? { start, end: period.end, series: {} };
    longer.end = Math.max(longer.end, period.end);
    for (const [name, series] of Object.entries(period.series)) {
      const key = name as SeriesKey;
      if (series !== undefined) longer.series[key] = mergeInto(longer.series[key], series);
    }
    periods.delete(period.start);
    periods.set(start, longer);
  }
}

function coarsen({ series }: Period): void {
  for (const each of Object.values(series)) if (each?.kind === 'values') each.values = coarser(each.values);
}

/** @returns the weight of what was dropped; of each metric it is counted for how many periods and users */
function drop({ periods, dropped }: Waiting, period: Period, which: (key: string) => boolean): number {
  let weight = 0;
  for (const [name, series] of Object.entries(period.series)) {
    if (!which(name)) continue;
    weight += weightOfSeries(series);
    delete period.series[name as SeriesKey];
    const [metric = name] = name.split(' ');
    dropped.set(metric, (dropped.get(metric) ?? 0) + 1);
  }
  if (Object.keys(period.series).length === 0) periods.delete(period.start);
  return weight;
}

function weightOf({ periods }: Waiting): number {
  let weight = 0;
  for (const { series } of periods.values())
    for (const each of Object.values(series)) weight += weightOfSeries(each);
  return weight;
}

const weightOfSeries = (series: Series | undefined): number =>
  series?.kind === 'values' ? series.values.length : 1;
