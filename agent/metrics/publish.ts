import { CloudWatchClient, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import type { Config } from '../config.ts';
import { messageOf, OperationError } from '../operation-error.ts';
import type { MetricDatum } from './buffer-state.ts';
import { METRICS } from './catalogue.ts';

export interface MetricSink {
  /**
   * Sends data in one call, or in more where CloudWatch refuses some of them.
   * @param taken is told each part that CloudWatch took, so that it is not sent again where a later part fails
   * @returns the data that CloudWatch will never take, each with its reason
   * @throws OperationError where it may take the rest later: it is away, throttles, or the role lacks the right
   */
  send(
    data: readonly MetricDatum[],
    signal: AbortSignal,
    taken?: (part: readonly MetricDatum[]) => void,
  ): Promise<readonly Refused[]>;
  close(): void;
}

export interface Refused {
  readonly datum: MetricDatum;
  readonly reason: string;
}

const CONNECTION_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 10_000;

/** The service's names for a request that is wrong in itself (PutMetricData, Errors), in either protocol's form. */
const REFUSALS =
  /^(InvalidParameter(Value|Combination)|MissingRequiredParameter|MissingParameter|ValidationError|ValidationException|RequestEntityTooLarge|SerializationException)/;

export function createCloudWatchSink(config: () => Config): MetricSink {
  const { region } = config().aws;
  const client = new CloudWatchClient({
    ...(region !== undefined && { region }),
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
  });

  const put = (data: readonly MetricDatum[], signal: AbortSignal) =>
    client.send(
      new PutMetricDataCommand({
        Namespace: config().metrics.namespace,
        MetricData: data.map(wireForm),
      }),
      { abortSignal: signal },
    );

  /** Halves a refused request until the data at fault stand alone: at most twice as many calls as data. */
  const send: MetricSink['send'] = async (data, signal, taken) => {
    try {
      await put(data, signal);
      taken?.(data);
      return [];
    } catch (cause) {
      if (!isRefusal(cause)) throw publishError(cause, config().metrics.namespace);
      const [only] = data;
      if (data.length === 1 && only !== undefined) return [{ datum: only, reason: messageOf(cause) }];
      const middle = Math.ceil(data.length / 2);
      const refused = await send(data.slice(0, middle), signal, taken);
      return [...refused, ...(await send(data.slice(middle), signal, taken))];
    }
  };

  return { send, close: () => client.destroy() };
}

/** The API's form of one datum; percentiles work on Values with Counts only. */
export function wireForm(datum: MetricDatum) {
  const common = {
    MetricName: datum.name,
    Timestamp: new Date(datum.at),
    Unit: METRICS[datum.name].unit,
    ...(datum.user !== undefined && { Dimensions: [{ Name: 'User', Value: datum.user }] }),
  };
  switch (datum.kind) {
    case 'sum':
      return { ...common, Value: datum.value };
    case 'extremes': {
      const { sum, count, least, most } = datum;
      return {
        ...common,
        StatisticValues: { Sum: sum, SampleCount: count, Minimum: least, Maximum: most },
      };
    }
    case 'values':
      return {
        ...common,
        Values: datum.values.map(([value]) => value),
        Counts: datum.values.map(([, count]) => count),
      };
  }
}

function isRefusal(cause: unknown): boolean {
  return cause instanceof Error && REFUSALS.test(cause.name);
}

function publishError(cause: unknown, namespace: string): OperationError {
  const denied = cause instanceof Error && /AccessDenied|Unauthorized|InvalidClientTokenId/.test(cause.name);
  const hint = denied
    ? `the role needs cloudwatch:PutMetricData for the namespace ${namespace}`
    : 'the values are kept for two weeks and sent again';
  return new OperationError({ op: 'publish metrics to', target: 'CloudWatch', hint }, cause);
}
