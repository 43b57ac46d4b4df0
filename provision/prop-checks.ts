import { statSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { Token } from 'aws-cdk-lib';
import { InstanceArchitecture, InstanceType } from 'aws-cdk-lib/aws-ec2';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { ConfigError, METRIC_NAMESPACE, parseConfig } from '../agent/config.ts';
import { renderAgentConfig } from './agent-config.ts';
import { bucketFaults } from './bucket-fitness.ts';
import type { PropFault } from './prop-fault.ts';
import type { ResolvedProps, S3FilesSftpProps } from './props.ts';

/** @param given before defaults: what the user wrote */
type Check = (props: ResolvedProps, given: S3FilesSftpProps) => PropFault[];

/** More rules than this don't fit one security group (its default quota is 60 inbound rules). */
const MOST_CIDRS = 50;

/** Each looks at one prop, or at those that only work together. */
export const CHECKS: readonly Check[] = [
  ({ rpm }) => {
    const isFile = statSync(rpm, { throwIfNoEntry: false })?.isFile() ?? false;
    return isFile ? [] : [{ prop: 'rpm', value: rpm, fix: 'is not a file; build it with: npm run rpm' }];
  },

  ({ vpc }) =>
    vpc !== undefined && vpc.publicSubnets.length === 0
      ? [
          {
            prop: 'vpc',
            value: vpc.node.path,
            fix: 'has no public subnet; partners reach the host through an internet gateway: add one',
          },
        ]
      : [],

  ({ bucket, kmsKey }) => bucketFaults(bucket, kmsKey),

  ({ prefix }) =>
    Token.isUnresolved(prefix) || /^(|[^/].{0,900}\/)$/.test(prefix)
      ? []
      : [{ prop: 'prefix', value: prefix, fix: 'must be empty or end with "/" and not begin with one' }],

  ({ elasticIp }) => {
    if (elasticIp === undefined) return [];
    const { allocationId, address } = elasticIp;
    const faults: PropFault[] = [];
    if (!Token.isUnresolved(allocationId) && !/^eipalloc-[0-9a-f]+$/.test(allocationId)) {
      const fix =
        'must be an allocation id such as "eipalloc-0123456789abcdef0"; see: aws ec2 describe-addresses';
      faults.push({ prop: 'elasticIp.allocationId', value: allocationId, fix });
    }
    if (!Token.isUnresolved(address) && !isIPv4(address)) {
      faults.push({ prop: 'elasticIp.address', value: address, fix: 'must be its IPv4 address' });
    }
    return faults;
  },

  ({ hostedZone, hostName }) => {
    if (hostedZone !== undefined && hostName === undefined) {
      const fix = 'needs hostName too: the name of the record to make in it';
      return [{ prop: 'hostedZone', value: hostedZone.zoneName, fix }];
    }
    if (hostName === undefined) return [];
    if (hostedZone === undefined) {
      return [
        { prop: 'hostName', value: hostName, fix: 'needs hostedZone too: the zone that holds the name' },
      ];
    }
    if (!Token.isUnresolved(hostName) && !/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(hostName)) {
      return [{ prop: 'hostName', value: hostName, fix: 'must be a DNS name such as "sftp.example.com"' }];
    }
    const zone = hostedZone.zoneName;
    const inside = Token.isUnresolved(zone) || hostName === zone || hostName.endsWith(`.${zone}`);
    return inside ? [] : [{ prop: 'hostName', value: hostName, fix: `must lie in the zone "${zone}"` }];
  },

  ({ instanceType }) => {
    const fault = (fix: string) => [{ prop: 'instanceType', value: instanceType, fix }];
    if (!/^[a-z][a-z0-9-]*\.[a-z0-9-]+$/.test(instanceType))
      return fault('must be a type such as "t4g.small"');
    if (architectureOf(instanceType) !== InstanceArchitecture.ARM_64) {
      return fault('is not arm64; use a Graviton type such as "t4g.small" or "m7g.medium"');
    }
    return /\.(nano|micro)$/.test(instanceType)
      ? fault('has less than 2 GiB of memory, which the mount’s read-ahead needs; use "t4g.small" or larger')
      : [];
  },

  ({ allowedCidrs }) => {
    const fault = (value: unknown, fix: string) => [{ prop: 'allowedCidrs', value, fix }];
    if (allowedCidrs.length === 0)
      return fault([], 'is empty, so nobody could connect; leave it out for anyone');
    if (allowedCidrs.length > MOST_CIDRS) {
      return fault(`${allowedCidrs.length} networks`, `must be at most ${MOST_CIDRS}; join neighbours`);
    }
    return allowedCidrs
      .filter((cidr) => !isIpv4Network(cidr))
      .flatMap((cidr) =>
        fault(cidr, 'must be an IPv4 network such as "203.0.113.0/24" (the address is IPv4)'),
      );
  },

  ({ alarmTopic, alarmEmail }) => {
    const prop = 'alarmEmail';
    if (alarmEmail === undefined) return [];
    if (alarmTopic !== undefined) {
      return [
        { prop, value: alarmEmail, fix: 'is for the stack’s own topic; subscribe it to alarmTopic instead' },
      ];
    }
    return /^[^\s@]+@[^\s@]+$/.test(alarmEmail)
      ? []
      : [{ prop, value: alarmEmail, fix: 'must be an address such as "ops@example.com"' }];
  },

  ({ logRetention }) =>
    RetentionDays[logRetention] === undefined
      ? [
          {
            prop: 'logRetention',
            value: logRetention,
            fix: 'must be a number of days that CloudWatch Logs knows, such as 30, 90 or 365',
          },
        ]
      : [],

  ({ noncurrentDays }) =>
    Number.isInteger(noncurrentDays) && noncurrentDays >= 1 && noncurrentDays <= 3650
      ? []
      : [
          {
            prop: 'noncurrentDays',
            value: noncurrentDays,
            fix: 'must be a whole number of days from 1 to 3650',
          },
        ],

  ({ usersPrefix }) =>
    usersPrefix.includes('/')
      ? []
      : [
          {
            prop: 'usersPrefix',
            value: usersPrefix,
            fix: 'must hold a "/", such as "s3files-sftp/users/": every secret it matches becomes a user',
          },
        ],

  ({ usersPrefix, directories, metricNamespace = METRIC_NAMESPACE }) => {
    const settings = { usersPrefix, directories, metricNamespace };
    const sample = { region: 'eu-central-1', fileSystemId: 'fs-0123456789abcdef0', bucket: 'bucket' };
    const names: Record<string, keyof typeof settings> = {
      'users.prefix': 'usersPrefix',
      'users.directories': 'directories',
      'metrics.namespace': 'metricNamespace',
    };
    try {
      // The agent's own schema judges what ends up in its configuration, so that the two can't disagree.
      parseConfig(renderAgentConfig({ ...sample, ...settings, prefix: '', hostKeysSecret: 'name' }));
      return [];
    } catch (cause) {
      if (!(cause instanceof ConfigError)) throw cause;
      return cause.faults.flatMap(({ key, fault }) => {
        const prop = names[key.split('.').slice(0, 2).join('.')];
        return prop === undefined ? [] : [{ prop, value: settings[prop], fix: fault }];
      });
    }
  },

  ({ patchSchedule }) =>
    /^cron\((\S+ ){5}\S+\)$/.test(patchSchedule)
      ? []
      : [
          {
            prop: 'patchSchedule',
            value: patchSchedule,
            fix: 'must be six fields such as "cron(0 3 ? * SUN *)": minutes hours day month weekday year',
          },
        ],

  ({ amiId, patchSchedule }, given) =>
    amiId !== undefined && given.patchSchedule !== undefined
      ? [
          {
            prop: 'patchSchedule',
            value: patchSchedule,
            fix: `would replace hosts by the same image, since amiId pins ${amiId}; leave one of the two out`,
          },
        ]
      : [],

  ({ amiId }) =>
    amiId === undefined || /^ami-[0-9a-f]{8,17}$/.test(amiId)
      ? []
      : [{ prop: 'amiId', value: amiId, fix: 'must be an image id such as "ami-0123456789abcdef0"' }],
];

function architectureOf(instanceType: string): InstanceArchitecture | undefined {
  try {
    return new InstanceType(instanceType).architecture;
  } catch {
    return undefined;
  }
}

function isIpv4Network(cidr: string): boolean {
  const [address = '', length = '', ...rest] = cidr.split('/');
  return rest.length === 0 && isIPv4(address) && /^\d{1,2}$/.test(length) && Number(length) <= 32;
}
