import {
  type BufferState,
  emptyBufferState,
  type MetricBatch,
  type MetricDatum,
  type Period,
  type SeriesKey,
} from './buffer-state.ts';
import { METRICS, type MetricName } from './catalogue.ts';
import { addTo, type Series } from './series.ts';
import { shorten } from './shorten.ts';

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
  /** Metrics of which values were dropped for their age or for want of room, and how many periods of each. */
  dropped: Map<string, number>;
}

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
 * is, less what arrived of it, so that what may have been sent before a crash is sent again unchanged, and nothing new
 * is mixed in.
 * @param open also take the period under way, at the end; what it gets later simply adds up in CloudWatch
 * @returns undefined when there is nothing to send
 */
export function takeBatch(buffer: MetricBuffer, now: number, open = false): MetricBatch | undefined {
  // Also while a batch is in flight: that is when CloudWatch is away, and the rest grows.
  shorten(buffer, now);
  if (buffer.inFlight !== null) return buffer.inFlight;
  const data: MetricDatum[] = [];
  let values = 0;
  const periods = [...buffer.periods.values()].sort((a, b) => a.start - b.start);
  for (const period of periods) {
    // A period of the future stems from a clock that was set back; it must not wait until then.
    const closed = period.end <= now || period.start > now + (period.end - period.start);
    if (!closed && !open) continue;
    for (const [name, series] of Object.entries(period.series)) {
      if (data.length >= MOST_DATA || values >= MOST_VALUES) break;
      const key = name as SeriesKey;
      delete period.series[key];
      if (series === undefined) continue;
      data.push(...dataOfSeries(key, Math.min(period.start, now), series));
      values += series.kind === 'values' ? series.values.length : 1;
    }
    if (Object.keys(period.series).length === 0) buffer.periods.delete(period.start);
  }
  if (data.length === 0) return undefined;
  buffer.inFlight = { id: `${now}-${data.length}`, data };
  return buffer.inFlight;
}

/** The batch of this id has arrived, or can never arrive; the next may be taken. */
export function acknowledge(buffer: MetricBuffer, id: string): void {
  if (buffer.inFlight?.id === id) buffer.inFlight = null;
}

/** Of the batch of this id, these data have arrived; it stays in flight with the others. */
export function acknowledgePart(buffer: MetricBuffer, id: string, taken: readonly MetricDatum[]): void {
  if (buffer.inFlight?.id !== id) return;
  const gone = new Set(taken);
  buffer.inFlight = { id, data: buffer.inFlight.data.filter((datum) => !gone.has(datum)) };
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
