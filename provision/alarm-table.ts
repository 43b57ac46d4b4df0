import type { MetricName } from '../agent/metrics/catalogue.ts';

/** Where an alarm's metric comes from. */
export type MetricSource =
  /** The agent's own, by its name in the catalogue; a statistic other than the catalogue's is named here. */
  | { readonly from: 'agent'; readonly name: MetricName; readonly statistic?: 'SampleCount' }
  /** Published by S3 Files for the file system, free of charge. */
  | {
      readonly from: 's3-files';
      readonly name: 'ExportFailures' | 'LostAndFoundFiles';
      readonly statistic: 'Sum' | 'Maximum';
    }
  /** Published by EC2 for the group's instances together, free of charge. */
  | {
      readonly from: 'ec2';
      readonly name: 'CPUSurplusCreditBalance' | 'CPUUtilization' | 'StatusCheckFailed';
      readonly statistic: 'Maximum' | 'Average';
    };

export interface AlarmDefinition {
  readonly id: string;
  readonly source: MetricSource;
  readonly when: 'below' | 'above';
  readonly threshold: number;
  readonly periodSeconds: 60 | 300 | 3600;
  readonly periods: number;
  /** `bad`: silence is the fault. `ignore`: silence says nothing, another alarm tells. `good`: no data means nothing happened. */
  readonly silence: 'bad' | 'ignore' | 'good';
  /** `unheard`: that it went out is no good news, so nobody is told. */
  readonly clears?: 'unheard';
  readonly meaning: string;
  /** Heading in docs/runbook.md, as its anchor. */
  readonly runbook: string;
}

/** Partners' interrupted uploads in an hour; networks break some, a disk, a quota or a client that gives up break many. */
const PARTIALS_AN_HOUR = 10;
/** Fifteen missed polls at the default minute. */
const SYNC_OLD_SECONDS = 900;

/**
 * Ten alarms, each on one metric: ten alarm metrics are free, and an expression over two metrics would count
 * twice (https://aws.amazon.com/cloudwatch/pricing/). That is why the partial-upload rate is uploads an hour and
 * not a share.
 */
export const ALARMS: readonly AlarmDefinition[] = [
  {
    id: 'MountUnhealthy',
    source: { from: 'agent', name: 'MountHealthy' },
    when: 'below',
    threshold: 1,
    periodSeconds: 60,
    periods: 3,
    silence: 'ignore',
    meaning:
      'The file system is not mounted or does not answer: partners are refused, unless this is a replacement that still boots.',
    runbook: 'mount-unhealthy',
  },
  {
    id: 'NoHeartbeat',
    source: { from: 'agent', name: 'MountHealthy', statistic: 'SampleCount' },
    when: 'below',
    threshold: 1,
    periodSeconds: 300,
    periods: 2,
    silence: 'bad',
    meaning: 'No host has reported for ten minutes: the agent, the host or its way to CloudWatch is down.',
    runbook: 'no-heartbeat',
  },
  {
    id: 'SyncHeld',
    source: { from: 'agent', name: 'AccountSyncHeld' },
    when: 'above',
    threshold: 0,
    periodSeconds: 300,
    periods: 2,
    silence: 'ignore',
    meaning: 'A change of users waits for somebody: an unreadable secret, a refused user, or many removals.',
    runbook: 'sync-held',
  },
  {
    id: 'SyncOld',
    source: { from: 'agent', name: 'AccountSyncAgeSeconds' },
    when: 'above',
    threshold: SYNC_OLD_SECONDS,
    periodSeconds: 300,
    periods: 2,
    silence: 'ignore',
    meaning:
      'Users have not been read for a quarter of an hour: new keys do not work, revoked ones still do.',
    runbook: 'sync-old',
  },
  {
    id: 'UndeliveredUploads',
    source: { from: 'agent', name: 'UndeliveredUploads' },
    when: 'above',
    threshold: 0,
    periodSeconds: 300,
    periods: 1,
    silence: 'ignore',
    // Each host counts its own uploads: a replaced one takes its count along, and the new one says 0.
    clears: 'unheard',
    meaning:
      'A finished upload is not in the bucket, long after it should be. Nobody is told when this clears: look for the receipts.',
    runbook: 'undelivered-uploads',
  },
  {
    id: 'ExportFailures',
    source: { from: 's3-files', name: 'ExportFailures', statistic: 'Sum' },
    when: 'above',
    threshold: 0,
    periodSeconds: 300,
    periods: 1,
    silence: 'good',
    meaning: 'S3 Files gave up writing a file to the bucket.',
    runbook: 'export-failures',
  },
  {
    id: 'LostAndFound',
    source: { from: 's3-files', name: 'LostAndFoundFiles', statistic: 'Maximum' },
    when: 'above',
    threshold: 0,
    periodSeconds: 300,
    periods: 1,
    silence: 'good',
    meaning: 'A file changed on the mount and in the bucket at once; the mount’s copy was set aside.',
    runbook: 'lost-and-found',
  },
  {
    id: 'PartialUploads',
    source: { from: 'agent', name: 'PartialUploads' },
    when: 'above',
    threshold: PARTIALS_AN_HOUR,
    periodSeconds: 3600,
    periods: 1,
    silence: 'good',
    meaning: `More than ${PARTIALS_AN_HOUR} uploads broke off within an hour.`,
    runbook: 'partial-uploads',
  },
  {
    id: 'StatusCheck',
    source: { from: 'ec2', name: 'StatusCheckFailed', statistic: 'Maximum' },
    when: 'above',
    threshold: 0,
    // Basic monitoring may hand out the group's sum once in five minutes: shorter periods would have gaps, which are good.
    periodSeconds: 300,
    periods: 1,
    silence: 'good',
    meaning: 'EC2 says that the host or its hardware is impaired; the group replaces it.',
    runbook: 'status-check',
  },
];

/** CPU credits that a T4g size earns in an hour (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html). */
const CREDITS_AN_HOUR: Readonly<Record<string, number>> = {
  small: 24,
  medium: 24,
  large: 36,
  xlarge: 96,
  '2xlarge': 192,
};

/**
 * The tenth. A T type borrows once its credits are spent, and what it borrows beyond a day's earnings is billed:
 * half of that is time to act. (The credit balance itself starts at 0 on each new host, so an alarm on it would
 * go off every week.) Other types have no credits; there it is plain CPU use.
 */
export function cpuAlarm(instanceType: string): AlarmDefinition {
  const common = { id: 'Cpu', when: 'above', silence: 'good', runbook: 'cpu' } as const;
  const [family = '', size = ''] = instanceType.split('.');
  const earned = CREDITS_AN_HOUR[size];
  if (!family.startsWith('t') || earned === undefined) {
    return {
      ...common,
      source: { from: 'ec2', name: 'CPUUtilization', statistic: 'Average' },
      threshold: 90,
      periodSeconds: 300,
      periods: 6,
      meaning: 'The host’s CPUs have been busy for half an hour.',
    };
  }
  return {
    ...common,
    source: { from: 'ec2', name: 'CPUSurplusCreditBalance', statistic: 'Maximum' },
    threshold: earned * 12,
    periodSeconds: 300,
    periods: 3,
    meaning: 'The host lives on borrowed CPU credits, which will soon be billed.',
  };
}
