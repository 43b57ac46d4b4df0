import {
  type BufferState,
  emptyBufferState,
  type MetricBatch,
  type MetricDatum,
  type Period,
  type SeriesKey,
} from './buffer-state.ts';
import { METRICS, type MetricName } from './catalogue.ts';

import { addTo, mergeInto, type Series } from './series.ts';

export type { BufferState } from './buffer-state.ts';

export interface MetricUpdate {
  readonly name: MetricName;
  readonly value: number;
  /** When it was so, in ms since 1970. */
  readonly at: number;
  /** Of whom it tells; without, of all. */
  readonly user?: string | null;
}

/** Values waiting for CloudWatch. Changed in place; {@link snapshotOf} gives the plain JSON to keep. */
export interface MetricBuffer {
  periods: Map<number, Period>;
  inFlight: MetricBatch | null;
  /** Names that were dropped for their age or for want of room, and how many periods of each. */
  dropped: Map<string, number>;
}

/** CloudWatch takes timestamps from two weeks ago (PutMetricData, MetricDatum.Timestamp); an hour is left to send. */
const OLDEST_MS = 14 * 86_400_000 - 3_600_000;
/** So many periods keep their own time; older ones are merged into their hours, which loses no value. */
const MOST_FINE = 180;
const HOUR_MS = 3_600_000;
/** PutMetricData takes 1,000 data and 1 MB a call; a value with its count is some 30 bytes. */
const MOST_DATA = 500;
const MOST_VALUES = 15_000;
const VALUES_A_DATUM = 150;

export function createBuffer(state: BufferState = emptyBufferState()): MetricBuffer {
  const copy = structuredClone(state);
  return {
    periods: new Map(copy.periods.map((period) => [period.start, period])),
    inFlight: copy.inFlight,
    dropped: new Map(Object.entries(copy.dropped)),
  };
}

/** @param periodMs length of the period that the value is folded into; periods are aligned to it */
export function record(buffer: MetricBuffer, update: MetricUpdate, periodMs: number): void {
  if (!Number.isFinite(update.value) || !Number.isFinite(update.at)) return;
  const start = Math.floor(update.at / periodMs) * periodMs;
  let period = buffer.periods.get(start);
  if (period === undefined) {
    period = { start, end: start + periodMs, series: {} };
    buffer.periods.set(start, period);
  }
  period.end = Math.max(period.end, start + periodMs);
  const { name, user } = update;
  const key: SeriesKey = user == null ? name : `${name} ${user}`;
  period.series[key] = addTo(period.series[key], METRICS[name].kind, update.value);
}

/**
 * Moves what can be sent into the one batch that is in flight. A batch that is in flight already is returned as it
 * is, so that what may have been sent before a crash is sent again unchanged, and nothing new is mixed in.
 * @param open also take the period under way, at the end; what it gets later simply adds up in CloudWatch
 * @returns undefined when there is nothing to send
 */
export function takeBatch(buffer: MetricBuffer, now: number, open = false): MetricBatch | undefined {
  if (buffer.inFlight !== null) return buffer.inFlight;
  shorten(buffer, now);
  const data: MetricDatum[] = [];
  let values = 0;
  const periods = [...buffer.periods.values()].sort((a, b) => a.start - b.start);
  for (const period of periods) {
    // A period of the future stems from a clock that was set back; it must not wait until then.
    const closed = period.end <= now || period.start > now + (period.end - period.start);
    if (!closed && !open) continue;
    const added = dataOf(period, now);
    const weight = added.reduce((sum, datum) => sum + (datum.kind === 'values' ? datum.values.length : 1), 0);
    if (data.length > 0 && (data.length + added.length > MOST_DATA || values + weight > MOST_VALUES)) break;
    data.push(...added);
    values += weight;
    buffer.periods.delete(period.start);
  }
  if (data.length === 0) return undefined;
  buffer.inFlight = { id: `${now}-${data.length}`, data };
  return buffer.inFlight;
}

/** The batch of this id has arrived, or can never arrive; the next may be taken. */
export function acknowledge(buffer: MetricBuffer, id: string): void {
  if (buffer.inFlight?.id === id) buffer.inFlight = null;
}

/** @returns what must survive the agent; later updates do not change it */
export function snapshotOf(buffer: MetricBuffer): BufferState {
  return {
    version: 1,
    periods: Array.from(buffer.periods.values(), (period) => structuredClone(period)),
    inFlight: buffer.inFlight,
    dropped: Object.fromEntries(buffer.dropped),
  };
}

/** Keeps the buffer small while CloudWatch is away, and drops what it would refuse for its age. */
function shorten(buffer: MetricBuffer, now: number): void {
  const periods = [...buffer.periods.values()].sort((a, b) => a.start - b.start);
  for (const period of periods.slice(0, -MOST_FINE)) {
    if (period.start % HOUR_MS === 0 && period.end - period.start >= HOUR_MS) continue;
    // The hour under way would close only at its end; its periods wait as they are.
    const start = Math.floor(period.start / HOUR_MS) * HOUR_MS;
    if (start + HOUR_MS > now) continue;
    buffer.periods.delete(period.start);
    const hour = buffer.periods.get(start) ?? { start, end: start + HOUR_MS, series: {} };
    hour.end = start + HOUR_MS;
    mergePeriod(hour, period);
    buffer.periods.set(start, hour);
  }
  for (const period of [...buffer.periods.values()]) {
    if (now - period.start <= OLDEST_MS) continue;
    buffer.periods.delete(period.start);
    for (const name of Object.keys(period.series))
      buffer.dropped.set(name, (buffer.dropped.get(name) ?? 0) + 1);
  }
}

function mergePeriod(into: Period, from: Period): void {
  for (const [name, series] of Object.entries(from.series)) {
    const metric = name as SeriesKey;
    if (series !== undefined) into.series[metric] = mergeInto(into.series[metric], series);
  }
}

function dataOf(period: Period, now: number): MetricDatum[] {
  const at = Math.min(period.start, now);
  return Object.entries(period.series).flatMap(([name, series]) =>
    series === undefined ? [] : dataOfSeries(name as SeriesKey, at, series),
  );
}

function dataOfSeries(key: SeriesKey, at: number, series: Series): MetricDatum[] {
  const [name, user] = key.split(' ') as [MetricName, string | undefined];
  const common = { name, ...(user !== undefined && { user }), at };
  switch (series.kind) {
    case 'sum':
      return [{ kind: 'sum', ...common, value: series.value }];
    case 'extremes': {
      const { sum, count, least, most } = series;
      return [{ kind: 'extremes', ...common, sum, count, least, most }];
    }
    case 'values': {
      // CloudWatch merges data of one metric and time, so a distribution may be spread over several.
      const data: MetricDatum[] = [];
      for (let from = 0; from < series.values.length; from += VALUES_A_DATUM) {
        const values = series.values.slice(from, from + VALUES_A_DATUM);
        data.push({ kind: 'values', ...common, values });
      }
      return data;
    }
  }
}
