import * as v from 'valibot';
import { messageOf } from '../operation-error.ts';
import { METRICS, type MetricName } from './catalogue.ts';
import { seriesSchema } from './series.ts';

const names = Object.keys(METRICS) as MetricName[];
const name = v.picklist(names);
const at = v.number();
/** Of whom it tells; without, of all. */
const user = v.optional(v.string());

const datum = v.variant('kind', [
  v.object({ kind: v.literal('sum'), name, user, at, value: v.number() }),
  v.object({
    kind: v.literal('extremes'),
    name,
    user,
    at,
    sum: v.number(),
    count: v.number(),
    least: v.number(),
    most: v.number(),
  }),
  v.object({ kind: v.literal('values'), name, user, at, values: v.array(v.tuple([v.number(), v.number()])) }),
]);
/** One metric of one period, as it is sent. Times in ms since 1970. */
export type MetricDatum = v.InferOutput<typeof datum>;

const batch = v.object({ id: v.string(), data: v.array(datum) });
/** What is being sent. CloudWatch can't tell a batch sent twice, so only one is ever under way, under its name. */
export type MetricBatch = v.InferOutput<typeof batch>;

const period = v.object({ start: v.number(), end: v.number(), series: v.record(v.string(), seriesSchema) });
export interface Period extends Omit<v.InferOutput<typeof period>, 'series'> {
  series: { [Key in SeriesKey]?: v.InferOutput<typeof seriesSchema> };
}
/** A metric's name, and behind a space the user's whom it tells of; neither has a space in it. */
export type SeriesKey = MetricName | `${MetricName} ${string}`;

const bufferState = v.object({
  version: v.literal(1),
  periods: v.array(period),
  inFlight: v.nullable(batch),
  dropped: v.record(v.string(), v.number()),
});
/** All that must survive the agent, as plain JSON. */
export interface BufferState {
  readonly version: 1;
  readonly periods: readonly Period[];
  readonly inFlight: MetricBatch | null;
  readonly dropped: Readonly<Record<string, number>>;
}

export function emptyBufferState(): BufferState {
  return { version: 1, periods: [], inFlight: null, dropped: {} };
}

/**
 * Checks what a checkpoint held for this room.
 * @param value undefined at the first start
 * @returns the state, or an empty one with the reason why the old one could not be used
 */
export function loadBufferState(value: unknown): { state: BufferState; problem: string | undefined } {
  if (value === undefined) return { state: emptyBufferState(), problem: undefined };
  try {
    return { state: v.parse(bufferState, value), problem: undefined };
  } catch (cause) {
    return { state: emptyBufferState(), problem: messageOf(cause) };
  }
}
