import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { IpAddresses, type IVpc, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Key } from 'aws-cdk-lib/aws-kms';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type BucketProps,
  type IBucket,
  StorageClass,
} from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { describe, expect, it } from 'vitest';
import { propsFromContext, readContext, rpmPath } from '../../provision/context.ts';
import { DEFAULTS, type S3FilesSftpProps } from '../../provision/props.ts';
import { PropsError, resolveProps } from '../../provision/validate.ts';
import { RPM } from './synthesized.ts';

const stack = new Stack();
const zone = HostedZone.fromHostedZoneAttributes(stack, 'Zone', {
  hostedZoneId: 'Z1',
  zoneName: 'example.com',
});
const topic = Topic.fromTopicArn(stack, 'Topic', 'arn:aws:sns:eu-central-1:123456789012:ops');
const privateVpc: unknown = new Vpc(stack, 'Vpc', {
  ipAddresses: IpAddresses.cidr('10.0.0.0/24'),
  natGateways: 0,
  subnetConfiguration: [{ name: 'private', subnetType: SubnetType.PRIVATE_ISOLATED }],
});

const versioned = (id: string, props: BucketProps) =>
  new Bucket(stack, id, { versioned: true, ...props }) as IBucket;

function refusal(act: () => unknown): PropsError {
  try {
    act();
  } catch (error) {
    if (error instanceof PropsError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

/** Each: the props, then the prop that is named, then part of the fix. */
const REFUSED: ReadonlyArray<readonly [Partial<S3FilesSftpProps>, string, string]> = [
  [{ rpm: '/nowhere/agent.rpm' }, 'rpm', 'npm run rpm'],
  [{ vpc: privateVpc as IVpc }, 'vpc', 'public subnet'],
  [{ bucket: new Bucket(stack, 'Plain') as IBucket }, 'bucket', 'versioned: true'],
  [
    { bucket: versioned('Open', { blockPublicAccess: BlockPublicAccess.BLOCK_ACLS_ONLY }) },
    'bucket',
    'blockPublicPolicy, restrictPublicBuckets',
  ],
  [{ bucket: versioned('Brief', { removalPolicy: RemovalPolicy.DESTROY }) }, 'bucket', 'RETAIN'],
  [
    { bucket: versioned('Expiring', { lifecycleRules: [{ id: 'old', expiration: Duration.days(90) }] }) },
    'bucket',
    'lifecycle rule (old)',
  ],
  [
    {
      prefix: 'in/',
      bucket: versioned('Archiving', {
        lifecycleRules: [
          {
            prefix: 'in/',
            transitions: [{ storageClass: StorageClass.GLACIER, transitionAfter: Duration.days(30) }],
          },
        ],
      }),
    },
    'bucket',
    'lifecycle rule (without id)',
  ],
  [{ bucket: versioned('Keyed', { encryption: BucketEncryption.KMS }) }, 'kmsKey', 'Default/Keyed/Key'],
  [
    {
      bucket: versioned('Locked', { encryption: BucketEncryption.KMS }),
      kmsKey: new Key(stack, 'Another'),
    },
    'kmsKey',
    'Default/Locked/Key',
  ],
  [{ prefix: 'in' }, 'prefix', 'end with "/"'],
  [{ prefix: '/in/' }, 'prefix', 'not begin'],
  [{ prefix: 'Übergabe/' }, 'prefix', 'letters, digits'],
  [{ prefix: 'par*/' }, 'prefix', 'letters, digits'],
  [{ prefix: '${' + 'aws:username}/' }, 'prefix', 'letters, digits'],
  [{ prefix: 'in//new/' }, 'prefix', 'letters, digits'],
  [{ prefix: 'in/../' }, 'prefix', 'letters, digits'],
  [{ elasticIp: { allocationId: 'eip-1', address: '203.0.113.5' } }, 'elasticIp.allocationId', 'eipalloc-'],
  [{ elasticIp: { allocationId: 'eipalloc-0a', address: 'sftp.example.com' } }, 'elasticIp.address', 'IPv4'],
  [
    { elasticIp: { allocationId: 'eipalloc-0a', address: '10.0.0.1' } },
    'elasticIp.address',
    'not a public address',
  ],
  [{ hostedZone: zone }, 'hostedZone', 'hostName'],
  [{ hostName: 'sftp.example.com' }, 'hostName', 'hostedZone'],
  [{ hostedZone: zone, hostName: 'sftp.example.org' }, 'hostName', 'example.com'],
  [{ hostedZone: zone, hostName: 'our sftp.example.com' }, 'hostName', 'DNS name'],
  [{ hostedZone: zone, hostName: 'a..b.example.com' }, 'hostName', 'DNS name'],
  [{ hostedZone: zone, hostName: '-a.example.com' }, 'hostName', 'DNS name'],
  [{ hostedZone: zone, hostName: 'b.-a.example.com' }, 'hostName', 'DNS name'],
  [{ hostedZone: zone, hostName: `${'a'.repeat(70)}.example.com` }, 'hostName', '63'],
  [{ hostedZone: zone, hostName: 'sftpexample.com' }, 'hostName', 'example.com'],
  [{ instanceType: 'small' }, 'instanceType', 't4g.small'],
  [{ instanceType: 't3.small' }, 'instanceType', 'Graviton'],
  [{ instanceType: 't4g.micro' }, 'instanceType', '2 GiB'],
  [{ instanceType: 'm7g.foo' }, 'instanceType', 'm7g.medium'],
  [{ instanceType: 'm7g.small' }, 'instanceType', 'm7g.medium'],
  [{ instanceType: 't4g.samll' }, 'instanceType', 't4g.small'],
  [{ instanceType: 't4g.4xlarge' }, 'instanceType', 't4g.small'],
  [{ allowedCidrs: ['10.0.0.0/0'] }, 'allowedCidrs', 'open to the world'],
  [{ allowedCidrs: ['203.0.113.0/08'] }, 'allowedCidrs', 'IPv4 network'],
  [{ allowedCidrs: ['203.0.113.7/24'] }, 'allowedCidrs', '"203.0.113.0/24" for the network'],
  [{ allowedCidrs: ['203.0.113.255/31'] }, 'allowedCidrs', '"203.0.113.254/31"'],
  [{ allowedCidrs: [] }, 'allowedCidrs', 'nobody'],
  [{ allowedCidrs: ['203.0.113.0'] }, 'allowedCidrs', '203.0.113.0/24'],
  [{ allowedCidrs: ['203.0.113.0/33'] }, 'allowedCidrs', 'IPv4 network'],
  [{ allowedCidrs: ['2001:db8::/32'] }, 'allowedCidrs', 'IPv4'],
  [
    { allowedCidrs: Array.from({ length: 51 }, (_, at) => `203.0.113.${at}/32`) },
    'allowedCidrs',
    'at most 50',
  ],
  [{ alarmEmail: 'ops' }, 'alarmEmail', 'ops@example.com'],
  [{ alarmEmail: 'ops@example.com', alarmTopic: topic }, 'alarmEmail', 'alarmTopic'],
  [{ logRetention: 42 as never }, 'logRetention', '90'],
  [{ logRetention: 'ONE_WEEK' as never }, 'logRetention', '90'],
  [{ purge: 'yes' as never }, 'purge', 'true or false'],
  [{ runbookUrl: '' }, 'runbookUrl', 'leave it out'],
  [{ runbookUrl: ' ' }, 'runbookUrl', 'leave it out'],
  [{ noncurrentDays: 0 }, 'noncurrentDays', '1 to 3650'],
  [{ noncurrentDays: 1.5 }, 'noncurrentDays', 'whole number'],
  [{ usersPrefix: 'users' }, 'usersPrefix', '"/"'],
  [{ usersPrefix: 'sftp users/' }, 'usersPrefix', 'beginning of a secret’s name'],
  [{ directories: [] }, 'directories', 'at least one'],
  [{ directories: ['../etc'] }, 'directories', 'directory name'],
  [{ directories: ['dev'] }, 'directories', 'dev'],
  [{ patchSchedule: '0 3 * * *' }, 'patchSchedule', 'cron(0 3 ? * SUN *)'],
  [{ patchSchedule: 'cron(99 99 ? * XXX *)' }, 'patchSchedule', '"99" for minutes'],
  [{ patchSchedule: 'cron(0 24 ? * SUN *)' }, 'patchSchedule', '"24" for hours'],
  [{ patchSchedule: 'cron(0 3 ? * XXX *)' }, 'patchSchedule', '"XXX" for day of week'],
  [{ patchSchedule: 'cron(0 3 ? 13 SUN *)' }, 'patchSchedule', '"13" for month'],
  [{ patchSchedule: 'cron(0 5-3 ? * SUN *)' }, 'patchSchedule', '"5-3" for hours'],
  [{ patchSchedule: 'cron(0 3 * * * *)' }, 'patchSchedule', 'exactly one "?"'],
  [{ patchSchedule: 'cron(0 3 ? * ? *)' }, 'patchSchedule', 'exactly one "?"'],
  [{ amiId: 'al2023' }, 'amiId', 'ami-'],
  [{ amiId: 'ami-0123456789abcdef0', patchSchedule: 'cron(0 3 ? * SUN *)' }, 'patchSchedule', 'amiId pins'],
  [{ metricNamespace: 'AWS/EC2' }, 'metricNamespace', 'does not begin with "AWS/"'],
  [{ metricNamespace: 'acme:sftp' }, 'metricNamespace', 'namespace of letters'],
];

describe('props', () => {
  it.each(REFUSED)('refuses %j', (props, prop, fix) => {
    const error = refusal(() => resolveProps({ rpm: RPM, ...props }));
    expect(error.faults).toHaveLength(1);
    expect(error.faults[0]?.prop).toBe(prop);
    expect(error.faults[0]?.fix).toContain(fix);
    expect(error.message).toContain(prop);
  });

  it.each<Partial<S3FilesSftpProps>>([
    { prefix: '' },
    {
      prefix: 'in/',
      bucket: versioned('Tidy', {
        lifecycleRules: [
          { expiration: Duration.days(90), prefix: 'elsewhere/' },
          { expiration: Duration.days(90), prefix: 'in/acme/' },
          { expiration: Duration.days(90), tagFilters: { a: 'b' } },
          { expiration: Duration.days(90), enabled: false },
          { noncurrentVersionExpiration: Duration.days(90), expiredObjectDeleteMarker: true },
          {
            transitions: [
              { storageClass: StorageClass.INTELLIGENT_TIERING, transitionAfter: Duration.days(30) },
            ],
          },
        ],
      }),
    },
    { prefix: 'partners/2026 (new)/' },
    { prefix: 'dt=2026-11-24/..a/' },
    { allowedCidrs: ['0.0.0.0/0', '203.0.113.0/24', '198.51.100.7/32', '128.0.0.0/1'] },
    { instanceType: 'm7g.medium' },
    { instanceType: 'c8g.metal-24xl' },
    { instanceType: 't4g.2xlarge' },
    { hostedZone: zone, hostName: 'example.com' },
    { hostedZone: zone, hostName: `${'a'.repeat(63)}.x-1.example.com` },
    { logRetention: RetentionDays.INFINITE },
    { purge: true },
    { runbookUrl: 'https://wiki.example.com/sftp' },
    { patchSchedule: 'cron(0/15 2,4-6 1W * ? 2026-2030)' },
    { patchSchedule: 'cron(30 3 L jan,JUL ? *)' },
    { patchSchedule: 'cron(0 3 ? * TUE#2 *)' },
    { patchSchedule: 'cron(0 3 ? * MON-FRI *)' },
  ])('accepts those of row %#', (props) => {
    const resolved = resolveProps({ rpm: RPM, ...props });
    for (const [name, value] of Object.entries(props)) expect(resolved).toHaveProperty(name, value);
  });

  it('names every fault at once, each with its value', () => {
    const error = refusal(() => resolveProps({ rpm: RPM, prefix: 'in', noncurrentDays: -1, amiId: 'x' }));
    expect(error.message.split('\n')).toHaveLength(3);
    expect(error.message).toContain('noncurrentDays (-1): must be');
  });

  it('takes defaults for what is left out or undefined', () => {
    const given = { rpm: RPM, directories: undefined } as unknown as S3FilesSftpProps;
    expect(resolveProps(given)).toMatchObject(DEFAULTS);
  });
});

describe('context', () => {
  it('takes our settings and leaves the CDK’s own alone', () => {
    const all = {
      '@aws-cdk/core:newStyle': true,
      'aws:cdk:enable-asset-metadata': true,
      prefix: '',
      purge: true,
    };
    expect(readContext(all)).toEqual({ prefix: '', purge: 'true' });
  });

  it('makes keys of the ARNs of users’ keys', () => {
    const arns = ['a', 'b'].map((id) => `arn:aws:kms:eu-central-1:123456789012:key/${id}`);
    const { usersKmsKeys } = propsFromContext({ rpm: RPM, usersKmsKeyArns: arns.join(',') }, new Stack());
    expect(usersKmsKeys?.map(({ keyArn }) => keyArn)).toEqual(arns);
  });

  it.each([
    [{ instanceTyp: 't4g.small' }, '-c instanceTyp', 'instanceType'],
    [{ vpcId: '' }, '-c vpcId', 'leave it out'],
    [{ purge: 'yes' }, '-c purge', 'true or false'],
    [{ eipAllocationId: 'eipalloc-0a' }, '-c eipAllocationId', 'eipAddress'],
    [{ hostedZoneId: 'Z1' }, '-c hostedZoneId', 'zoneName'],
  ])('refuses %j', (context, prop, fix) => {
    const { faults } = refusal(() => readContext(context));
    expect(faults.map((fault) => fault.prop)).toEqual([prop]);
    expect(faults[0]?.fix).toContain(fix);
  });

  it('says how to build the package where there is none', () => {
    expect(refusal(() => rpmPath(undefined, '/nowhere')).message).toContain('npm run rpm');
  });
});
