import type { IVpc } from 'aws-cdk-lib/aws-ec2';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IHostedZone } from 'aws-cdk-lib/aws-route53';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { ITopic } from 'aws-cdk-lib/aws-sns';

/** An Elastic IP that exists already, such as one that partners have in their firewalls. */
export interface ExistingElasticIp {
  /** `eipalloc-…` */
  readonly allocationId: string;
  /** Its IPv4 address, for the DNS record and the stack's output. */
  readonly address: string;
}

/** Everything but `rpm` has a default that suits one small service. */
export interface S3FilesSftpProps {
  /** Path of the agent's package, as `npm run rpm` leaves it in dist/rpm/. */
  readonly rpm: string;
  /** @default a VPC of its own with a public subnet in two zones, no NAT gateway and an S3 gateway endpoint */
  readonly vpc?: IVpc;
  /**
   * A bucket that exists already. One made in the same app must be versioned, private and retained, and gets the
   * lifecycle rules and TLS only; one from elsewhere is checked while deploying, and the deployment fails and names
   * what is wrong: no versioning, a missing lifecycle rule or one that takes current objects away, plain HTTP or public
   * access, another key than `kmsKey`.
   * Changing it replaces the file system.
   * @default a versioned, private bucket that outlives the stack
   */
  readonly bucket?: IBucket;
  /** The part of the bucket that partners see, ending in "/". Changing it replaces the file system. @default '' (all) */
  readonly prefix?: string;
  /** @default a new Elastic IP */
  readonly elasticIp?: ExistingElasticIp;
  /** Where to put the DNS record; needs `hostName`. @default no record */
  readonly hostedZone?: IHostedZone;
  /** The name partners connect to, such as "sftp.example.com"; needs `hostedZone`. */
  readonly hostName?: string;
  /**
   * Encrypts the bucket, the file system and the host keys' secret; its policy must let this account's roles use it,
   * as the default one does. Changing it replaces the file system. Users' secrets may have other keys: `usersKmsKeys`.
   * @default keys that AWS owns and manages
   */
  readonly kmsKey?: IKey;
  /** Keys of your own that encrypt users' secrets: the host may decrypt with them, through Secrets Manager only. @default none: `kmsKey` and AWS's own key for Secrets Manager */
  readonly usersKmsKeys?: readonly IKey[];
  /** An arm64 type with at least 2 GiB of memory. @default 't4g.small' */
  readonly instanceType?: string;
  /** IPv4 networks that may reach port 22. @default ['0.0.0.0/0']: partners come from anywhere */
  readonly allowedCidrs?: readonly string[];
  /**
   * Who hears the alarms. A topic made in the same app, and its key, get a statement that lets CloudWatch publish (and
   * so a policy, in the place of the one that SNS gives). The policy of one from elsewhere must let
   * `cloudwatch.amazonaws.com` do `sns:Publish`, and the policy of its key, which can't be `alias/aws/sns`,
   * `kms:Decrypt` and `kms:GenerateDataKey*`: otherwise alarms turn red and nobody hears them.
   * @default a topic of the stack's own; subscribe to it
   */
  readonly alarmTopic?: ITopic;
  /** Subscribed to the stack's own topic; not together with `alarmTopic`. */
  readonly alarmEmail?: string;
  /** How long CloudWatch Logs keeps the lines. @default 90 days */
  readonly logRetention?: RetentionDays;
  /** How long S3 keeps what partners overwrote or deleted, in days. @default 30 */
  readonly noncurrentDays?: number;
  /** Every secret whose name begins with this is a user, or a bundle of users; two services that share it share their users. @default 's3files-sftp/users/' */
  readonly usersPrefix?: string;
  /**
   * Where CloudWatch keeps the ten metrics. They carry no dimension, so two services of one account and region
   * need a namespace each. @default 'S3FilesSftp/' and the stack's name
   */
  readonly metricNamespace?: string;
  /** Made for each user whose secret names none; sessions start in the first. @default ['upload'] */
  readonly directories?: readonly string[];
  /** Gives the host the rights to delete object versions for good, for the agent's `purge`, which does not exist yet: leave it out. @default false */
  readonly purge?: boolean;
  /** When the host is replaced by one with the newest Amazon Linux, as EventBridge Scheduler's cron, in UTC. @default 'cron(0 3 ? * SUN *)' */
  readonly patchSchedule?: string;
  /** Pins one AMI (`ami-…`) of Amazon Linux 2023.12.20260928 or later, and with it the release of every package; no scheduled patching then. @default the newest Amazon Linux 2023 at each launch */
  readonly amiId?: string;
  /** What alarms' runbook links begin with. @default 'docs/runbook.md' */
  readonly runbookUrl?: string;
}

/** Defaults that don't need other resources. */
export const DEFAULTS = {
  prefix: '',
  /** 2 vCPU and 2 GiB for $12.26 a month; 24 CPU credits an hour. */
  instanceType: 't4g.small',
  allowedCidrs: ['0.0.0.0/0'],
  logRetention: 90,
  noncurrentDays: 30,
  usersPrefix: 's3files-sftp/users/',
  directories: ['upload'],
  purge: false,
  /** Sunday 03:00 UTC: partners' quietest hour in most places. */
  patchSchedule: 'cron(0 3 ? * SUN *)',
  runbookUrl: 'docs/runbook.md',
} as const satisfies Partial<S3FilesSftpProps>;

export type ResolvedProps = S3FilesSftpProps & Required<Pick<S3FilesSftpProps, keyof typeof DEFAULTS>>;
