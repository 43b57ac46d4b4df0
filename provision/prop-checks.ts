import { statSync } from 'node:fs';
import { Token } from 'aws-cdk-lib';
import { InstanceArchitecture, InstanceSize, InstanceType } from 'aws-cdk-lib/aws-ec2';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { ConfigError, METRIC_NAMESPACE, parseConfig } from '../agent/config.ts';
import { renderAgentConfig } from './agent-config.ts';
import { bucketFaults } from './bucket-fitness.ts';
import { addressFault, cidrFault, isHostName } from './network-faults.ts';
import type { PropFault } from './prop-fault.ts';
import type { ResolvedProps, S3FilesSftpProps } from './props.ts';
import { scheduleFault } from './schedule-fault.ts';

/** @param given before defaults: what the user wrote */
type Check = (props: ResolvedProps, given: S3FilesSftpProps) => PropFault[];

/** More rules than this don't fit one security group (its default quota is 60 inbound rules). */
const MOST_CIDRS = 50;

/**
 * Plain ASCII, since it travels in the boot script; nothing that means something in a policy's resource (`*`, `?`, `${`),
 * and no empty, `.` or `..` part, which a mount can't show.
 */
const PREFIX = /^(?=.{0,900}$)((?!\.{1,2}\/)[A-Za-z0-9!_.()=+@,:-][A-Za-z0-9!_.()=+@,: -]*\/)*$/;

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

  (props) => bucketFaults(props),

  ({ prefix }) =>
    Token.isUnresolved(prefix) || PREFIX.test(prefix)
      ? []
      : [
          {
            prop: 'prefix',
            value: prefix,
            fix: 'must be empty or end with "/" and not begin with one; names in it are of letters, digits, spaces and !_.()=+@,:-',
          },
        ],

  ({ elasticIp }) => {
    if (elasticIp === undefined) return [];
    const { allocationId, address } = elasticIp;
    const faults: PropFault[] = [];
    if (!Token.isUnresolved(allocationId) && !/^eipalloc-[0-9a-f]+$/.test(allocationId)) {
      const fix =
        'must be an allocation id such as "eipalloc-0123456789abcdef0"; see: aws ec2 describe-addresses';
      faults.push({ prop: 'elasticIp.allocationId', value: allocationId, fix });
    }
    const fix = Token.isUnresolved(address) ? undefined : addressFault(address);
    if (fix !== undefined) faults.push({ prop: 'elasticIp.address', value: address, fix });
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
    if (!Token.isUnresolved(hostName) && !isHostName(hostName)) {
      const fix =
        'must be a DNS name such as "sftp.example.com", of labels of at most 63 letters, digits and inner hyphens';
      return [{ prop: 'hostName', value: hostName, fix }];
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
    if (!hasSize(instanceType)) {
      return fault('is a size that its family does not have; use a type such as "t4g.small" or "m7g.medium"');
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
    return allowedCidrs.flatMap((cidr) => {
      const fix = cidrFault(cidr);
      return fix === undefined ? [] : fault(cidr, fix);
    });
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
    typeof logRetention !== 'number' || RetentionDays[logRetention] === undefined
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

  ({ purge }) =>
    typeof purge === 'boolean'
      ? []
      : [{ prop: 'purge', value: purge, fix: 'must be true or false, not a text: any text would allow it' }],

  ({ runbookUrl }) =>
    /^[^\s#]+$/.test(runbookUrl)
      ? []
      : [
          {
            prop: 'runbookUrl',
            value: runbookUrl,
            fix: 'must be a page without blanks and "#", such as "https://wiki.example.com/sftp-runbook"; leave it out for docs/runbook.md',
          },
        ],

  ({ patchSchedule }) => {
    const fix = scheduleFault(patchSchedule);
    return fix === undefined ? [] : [{ prop: 'patchSchedule', value: patchSchedule, fix }];
  },

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

/** The sizes of the only arm64 family that has small ones; the others begin at medium. */
const T4G_SIZES: ReadonlySet<string> = new Set([
  'nano',
  'micro',
  'small',
  'medium',
  'large',
  'xlarge',
  '2xlarge',
]);
const TOO_SMALL_FOR_OTHERS: ReadonlySet<string> = new Set(['nano', 'micro', 'small']);
const KNOWN_SIZES: ReadonlySet<string> = new Set(Object.values(InstanceSize));

/** Whether there is such a size; of families, new ones come each year, and only EC2 knows them all. */
function hasSize(instanceType: string): boolean {
  const [family, size = ''] = instanceType.split('.');
  return family === 't4g' ? T4G_SIZES.has(size) : KNOWN_SIZES.has(size) && !TOO_SMALL_FOR_OTHERS.has(size);
}
