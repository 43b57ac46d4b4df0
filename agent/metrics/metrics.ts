import type { Config } from '../config.ts';
import { messageOf, OperationError } from '../operation-error.ts';
import type { Edges } from '../os/edges.ts';
import {
  acknowledge,
  acknowledgePart,
  createBuffer,
  type MetricBuffer,
  type MetricUpdate,
  record,
  snapshotOf,
  takeBatch,
} from './buffer.ts';
import { type BufferState, loadBufferState, type MetricBatch } from './buffer-state.ts';
import { type MetricName, metricCost, USER_METRICS } from './catalogue.ts';
import type { MetricSink } from './publish.ts';

export interface MetricsReport {
  /** When CloudWatch last took a batch, in ms since 1970. */
  readonly lastPublishedAt: number | null;
  /** Batches that wait: the one under way, and the periods that are not in a batch yet as one more. */
  readonly pendingBatches: number;
  readonly problem: string | null;
}

export interface Persist {
  /** Writes the checkpoint with {@link Metrics.snapshot} in it; settles when it is on the disk. */
  persist(): Promise<void>;
}

export interface Metrics {
  /** Takes a value in, and once more for its user where the configuration names that; on the disk with the next checkpoint. */
  record(update: MetricUpdate): void;
  snapshot(): BufferState;
  /**
   * Sends all periods that are over. Before a batch is sent it is persisted under its name, and again after
   * CloudWatch took it: a crash in between sends that same batch once more, never another.
   * @throws OperationError when CloudWatch does not take it now; what it did not take stays the batch in flight
   */
  publish(signal: AbortSignal, checkpoint: Persist): Promise<void>;
  /** At the end: sends everything, the period under way too, within `timeoutMs`; what is left is kept. */
  drain(timeoutMs: number, checkpoint: Persist): Promise<void>;
  report(): MetricsReport;
}

/** @param state what the checkpoint held; undefined at the first start */
export function createMetrics(
  state: unknown,
  config: () => Config,
  sink: MetricSink,
  edges: Pick<Edges, 'now' | 'log'>,
): Metrics {
  const loaded = loadBufferState(state);
  if (loaded.problem !== undefined)
    edges.log.error({ problem: loaded.problem }, 'values for CloudWatch were unreadable and are lost');
  const buffer = createBuffer(loaded.state);
  const ofUsers: readonly MetricName[] = USER_METRICS;
  const { metrics, dollarsAMonth } = metricCost(config().metrics.users.length);
  edges.log.info(
    { customMetrics: metrics, dollarsAMonth, users: config().metrics.users },
    `this configuration makes ${metrics} custom metrics: $${dollarsAMonth.toFixed(2)} a month past the free ten`,
  );
  let lastPublishedAt: number | null = null;
  let problem: string | null = null;

  const send = async (batch: MetricBatch, signal: AbortSignal) => {
    const refused = await sink.send(batch.data, signal, (part) => acknowledgePart(buffer, batch.id, part));
    for (const { datum, reason } of refused)
      edges.log.error({ datum, reason }, 'CloudWatch refused a value; it is dropped');
    lastPublishedAt = edges.now();
    problem =
      refused.length > 0 ? `CloudWatch refused ${refused.length} values: ${refused[0]?.reason}` : null;
  };

  const sendAll = async (open: boolean, signal: AbortSignal, { persist }: Persist) => {
    for (;;) {
      const batch = takeBatch(buffer, edges.now(), open);
      tellDropped(buffer, edges);
      if (batch === undefined || signal.aborted) return;
      await persist();
      try {
        await send(batch, signal);
      } catch (cause) {
        // What was taken must not come again, after a crash either.
        if (buffer.inFlight !== batch) await persist();
        throw cause;
      }
      acknowledge(buffer, batch.id);
      await persist();
    }
  };

  const attempt = async (open: boolean, signal: AbortSignal, checkpoint: Persist) => {
    try {
      await sendAll(open, signal, checkpoint);
    } catch (cause) {
      problem = messageOf(cause);
      throw cause instanceof OperationError
        ? cause
        : new OperationError({ op: 'publish', target: 'metrics' }, cause);
    }
  };

  return {
    record: (update) => {
      const { publish_seconds, users } = config().metrics;
      const { user, ...common } = update;
      record(buffer, common, publish_seconds * 1000);
      if (user != null && users.includes(user) && ofUsers.includes(update.name))
        record(buffer, { ...common, user }, publish_seconds * 1000);
    },
    snapshot: () => snapshotOf(buffer),
    publish: (signal, checkpoint) => attempt(false, signal, checkpoint),
    drain: async (timeoutMs, checkpoint) => {
      try {
        await attempt(true, AbortSignal.timeout(timeoutMs), checkpoint);
      } catch (err) {
        edges.log.warn({ err }, 'the last values stay on the disk for the next start');
      }
    },
    report: () => ({
      lastPublishedAt,
      pendingBatches: (buffer.inFlight === null ? 0 : 1) + (buffer.periods.size === 0 ? 0 : 1),
      problem,
    }),
  };
}

function tellDropped(buffer: MetricBuffer, edges: Pick<Edges, 'log'>): void {
  for (const [name, periods] of buffer.dropped)
    edges.log.error(
      { metric: name, periods },
      'values were dropped: they waited for two weeks, which is as long as CloudWatch takes them, or for want of room',
    );
  buffer.dropped.clear();
}
