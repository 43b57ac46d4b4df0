import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stack } from 'aws-cdk-lib';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import { Key } from 'aws-cdk-lib/aws-kms';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { PropFault } from './prop-fault.ts';
import type { S3FilesSftpProps } from './props.ts';
import { PropsError } from './validate.ts';

const ROOT = join(import.meta.dirname, '..');

/** What `-c NAME=VALUE` may say, with what it means; synth.ts lists them. */
export const CONTEXT_KEYS = {
  stackName: 'the stack’s name (S3FilesSftp)',
  rpm: 'path of the agent’s package, or "placeholder" to look at the template only',
  vpcId: 'an existing VPC; looked up, so account and region must be known',
  bucketName: 'an existing bucket',
  prefix: 'the part of the bucket that partners see, ending in "/"',
  eipAllocationId: 'an existing Elastic IP; with eipAddress',
  eipAddress: 'its IPv4 address',
  hostedZoneId: 'an existing Route 53 zone; with zoneName and hostName',
  zoneName: 'its name',
  hostName: 'the name of the record to make in it',
  kmsKeyArn: 'encrypts bucket, file system and the host keys’ secret; another one replaces the file system',
  usersKmsKeyArns: 'keys of your own that encrypt users’ secrets, with commas between',
  instanceType: 'an arm64 type (t4g.small)',
  allowedCidrs: 'IPv4 networks with commas between (0.0.0.0/0)',
  alarmTopicArn: 'an existing SNS topic for alarms, whose policy lets cloudwatch.amazonaws.com publish',
  alarmEmail: 'subscribed to the stack’s own topic',
  logRetention: 'days that CloudWatch keeps logs (90)',
  noncurrentDays: 'days that S3 keeps overwritten and deleted objects (30)',
  usersPrefix: 'beginning of the users’ secrets’ names (s3files-sftp/users/)',
  directories: 'made for each user, with commas between (upload)',
  metricNamespace: 'where CloudWatch keeps the metrics (S3FilesSftp/ and the stack’s name)',
  purge: '"true" gives the host the rights to delete object versions; nothing uses them yet',
  patchSchedule: 'cron(…) in UTC: when the host is replaced by a patched one',
  amiId: 'pins one image, and ends scheduled patching',
  runbookUrl: 'what alarms’ runbook links begin with',
} as const;

type ContextKey = keyof typeof CONTEXT_KEYS;
export type Context = Readonly<Partial<Record<ContextKey, string>>>;

/**
 * Takes our keys out of the CDK's whole context.
 * @throws PropsError on a key that nobody reads, since a misspelt setting would silently do nothing
 */
export function readContext(all: Readonly<Record<string, unknown>>): Context {
  const faults: PropFault[] = [];
  const context: Partial<Record<ContextKey, string>> = {};
  for (const [key, value] of Object.entries(all)) {
    // The CDK's own: feature flags, switches of its command, cached look-ups.
    if (/[@:]/.test(key) || CDK_KEYS.has(key)) continue;
    if (!(key in CONTEXT_KEYS)) {
      const fix = `is not a setting of this app; there are ${Object.keys(CONTEXT_KEYS).join(', ')}`;
      faults.push({ prop: `-c ${key}`, value, fix });
    } else if (value === '' && key !== 'prefix') {
      faults.push({ prop: `-c ${key}`, value, fix: 'is empty; leave it out for the default' });
    } else if (value !== undefined) context[key as ContextKey] = String(value);
  }
  for (const [one, other] of PAIRS) {
    if (context[one] !== undefined && context[other] === undefined) {
      faults.push({ prop: `-c ${one}`, value: context[one], fix: `needs -c ${other}=… too` });
    }
  }
  if (context.purge !== undefined && !['true', 'false'].includes(context.purge)) {
    faults.push({ prop: '-c purge', value: context.purge, fix: 'must be true or false' });
  }
  if (faults.length > 0) throw new PropsError(faults);
  return context;
}

/** The cdk command keeps these among the context, without a prefix. */
const CDK_KEYS: ReadonlySet<string> = new Set(['acknowledged-issue-numbers', 'cli-telemetry']);

const PAIRS: ReadonlyArray<readonly [ContextKey, ContextKey]> = [
  ['eipAllocationId', 'eipAddress'],
  ['eipAddress', 'eipAllocationId'],
  ['hostedZoneId', 'zoneName'],
  ['zoneName', 'hostedZoneId'],
];

/** Turns the context into props; look-ups happen only for what it names. */
export function propsFromContext(context: Context, stack: Stack): S3FilesSftpProps {
  const { eipAllocationId, eipAddress, hostedZoneId, zoneName, hostName } = context;
  const { instanceType, prefix, usersPrefix, metricNamespace, alarmEmail, patchSchedule, amiId, runbookUrl } =
    context;
  return defined({
    rpm: rpmPath(context.rpm),
    vpc: context.vpcId && Vpc.fromLookup(stack, 'ExistingVpc', { vpcId: context.vpcId }),
    bucket: context.bucketName && Bucket.fromBucketName(stack, 'ExistingBucket', context.bucketName),
    elasticIp:
      eipAllocationId && eipAddress ? { allocationId: eipAllocationId, address: eipAddress } : undefined,
    hostedZone:
      hostedZoneId && zoneName
        ? HostedZone.fromHostedZoneAttributes(stack, 'ExistingZone', { hostedZoneId, zoneName })
        : undefined,
    kmsKey: context.kmsKeyArn && Key.fromKeyArn(stack, 'ExistingKey', context.kmsKeyArn),
    usersKmsKeys: context.usersKmsKeyArns
      ?.split(',')
      .map((arn, at) => Key.fromKeyArn(stack, `UsersKey${at + 1}`, arn)),
    alarmTopic: context.alarmTopicArn && Topic.fromTopicArn(stack, 'ExistingTopic', context.alarmTopicArn),
    allowedCidrs: context.allowedCidrs?.split(','),
    directories: context.directories?.split(','),
    logRetention: context.logRetention && Number(context.logRetention),
    noncurrentDays: context.noncurrentDays && Number(context.noncurrentDays),
    purge: context.purge && context.purge === 'true',
    ...{
      hostName,
      instanceType,
      prefix,
      usersPrefix,
      metricNamespace,
      alarmEmail,
      patchSchedule,
      amiId,
      runbookUrl,
    },
  });
}

/** Leaves out what the context does not say, so that defaults apply. */
function defined(
  props: {
    [K in keyof S3FilesSftpProps]-?: S3FilesSftpProps[K] | undefined | '';
  },
): S3FilesSftpProps {
  const said = Object.entries(props).filter(([, value]) => value !== undefined);
  // Only values of undefined went, which no prop but the optional ones can have: rpm is always found.
  return Object.fromEntries(said) as unknown as S3FilesSftpProps;
}

/**
 * @param given a path, "placeholder", or undefined for the one that `npm run rpm` built
 * @throws PropsError where there is none
 */
export function rpmPath(given: string | undefined, directory: string = join(ROOT, 'dist', 'rpm')): string {
  if (given === 'placeholder') return writePlaceholder();
  if (given !== undefined) return given;
  const built = existsSync(directory)
    ? readdirSync(directory).filter((name) => name.endsWith('.noarch.rpm'))
    : [];
  const [only, ...others] = built;
  if (only !== undefined && others.length === 0) return join(directory, only);
  const fix =
    only === undefined
      ? 'there is no package in dist/rpm/; build it with: npm run rpm'
      : 'there are several in dist/rpm/; name one with -c rpm=…, or rebuild with: npm run rpm';
  throw new PropsError([{ prop: 'rpm', value: built, fix }]);
}

/** Stands in for the package where only the template is of interest; a host refuses to install it. */
function writePlaceholder(): string {
  const directory = join(ROOT, 'dist', 'placeholder');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 's3files-sftp-agent.noarch.rpm');
  writeFileSync(path, 'not a package: npm run rpm builds the real one\n');
  return path;
}
