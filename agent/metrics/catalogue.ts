/**
 * The ten metrics: the free tier holds ten, and each name × dimension combination counts as one
 * (https://aws.amazon.com/cloudwatch/pricing/), so none carries a dimension, save those of users that are named.
 * `provision/` builds its alarms from this same table, so an alarm can't name a metric that nobody publishes.
 */

/** How values of one period are folded: a gauge keeps its extremes, a count its sum, a distribution every value. */
export type MetricKind = 'gauge' | 'count' | 'distribution';

/** CloudWatch's unit names (PutMetricData, MetricDatum.Unit). */
export type MetricUnit = 'None' | 'Count' | 'Bytes' | 'Seconds';

export interface MetricDefinition {
  readonly kind: MetricKind;
  readonly unit: MetricUnit;
  /** The statistic to read it with, in alarms and on the dashboard. */
  readonly statistic: 'Minimum' | 'Maximum' | 'Sum' | 'p95';
  readonly meaning: string;
}

export const METRICS = {
  MountHealthy: {
    kind: 'gauge',
    unit: 'None',
    statistic: 'Minimum',
    meaning:
      '1 while the mount is proven to be the right file system and answers, else 0; several hosts share it',
  },
  MountRecoverySeconds: {
    kind: 'distribution',
    unit: 'Seconds',
    statistic: 'Maximum',
    meaning: 'how long partners were refused before the mount served again, one value per recovery',
  },
  AccountSyncAgeSeconds: {
    kind: 'gauge',
    unit: 'Seconds',
    statistic: 'Maximum',
    meaning: 'time since the secrets were last read whole and applied',
  },
  AccountSyncHeld: {
    kind: 'gauge',
    unit: 'Count',
    statistic: 'Maximum',
    meaning: 'changes that wait for somebody: unreadable secrets, refused users, removals over the guard',
  },
  ActiveUsers: { kind: 'gauge', unit: 'Count', statistic: 'Maximum', meaning: 'accounts that can log in' },
  UploadCount: { kind: 'count', unit: 'Count', statistic: 'Sum', meaning: 'files uploaded whole' },
  UploadBytes: {
    kind: 'count',
    unit: 'Bytes',
    statistic: 'Sum',
    meaning: 'bytes of the files uploaded whole',
  },
  PartialUploads: {
    kind: 'count',
    unit: 'Count',
    statistic: 'Sum',
    meaning: 'uploads that broke off, or failed while writing',
  },
  UndeliveredUploads: {
    kind: 'gauge',
    unit: 'Count',
    statistic: 'Maximum',
    meaning: 'whole uploads that did not reach the bucket within the delivery deadline',
  },
  DeliveryLagSeconds: {
    kind: 'distribution',
    unit: 'Seconds',
    statistic: 'p95',
    meaning: "from the close of an upload to its object's version in the bucket",
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof METRICS;

/** Those that a user named in the configuration gets, too, each with the user's name in the dimension `User`. */
export const USER_METRICS = [
  'UploadCount',
  'UploadBytes',
  'PartialUploads',
  'DeliveryLagSeconds',
] as const satisfies readonly MetricName[];

/** Dollars for a metric and month past the free ones of an account (https://aws.amazon.com/cloudwatch/pricing/). */
const DOLLARS_A_METRIC = 0.3;
const FREE_METRICS = 10;

/**
 * @param users how many are named in the configuration
 * @returns how many custom metrics that makes, and what they cost a month where nothing else uses the free ten
 */
export function metricCost(users: number): { readonly metrics: number; readonly dollarsAMonth: number } {
  const metrics = Object.keys(METRICS).length + users * USER_METRICS.length;
  return {
    metrics,
    dollarsAMonth: Math.round(Math.max(0, metrics - FREE_METRICS) * DOLLARS_A_METRIC * 100) / 100,
  };
}
