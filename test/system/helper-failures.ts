import type { MountFault } from './faults.ts';
import type { Load } from './loads.ts';

/** How the helper's attempt to mount ends, which is all that the agent's course and the partners depend on. */
export type Ending =
  | 'fails at once'
  | 'exit 0 without a mount'
  | 'fails slowly'
  | 'hangs'
  | 'mounts all the same';

/** A failure of the helper, while the mount is lost. */
export interface HelperFailure extends MountFault {
  readonly ending: Ending;
  /** Loads that it is played under besides an idle host: one failure of each ending at the least. */
  readonly alsoUnder?: readonly Load[];
}

/** The mount is lost, and the helper fails in one of its ways until the cause is gone. */
const failure = (
  name: string,
  title: string,
  diagnosis: RegExp,
  more: Partial<HelperFailure> = {},
): HelperFailure => ({
  title,
  inject: `mkdir -p /run/bed; echo ${name} > /run/bed/mount-fault; umount -l /home/sftp`,
  clear: 'rm /run/bed/mount-fault',
  holdSeconds: 6,
  diagnosis,
  ending: 'fails at once',
  ...more,
});

const EXIT_0 = { ending: 'exit 0 without a mount' } as const;

/** The table of the helper's failures (amazon-efs-utils 3.x); see ../bed/stand-in/mount.s3files for their texts. */
export const HELPER_FAILURES: Readonly<Record<string, HelperFailure>> = {
  'helper-missing': {
    title: 'not installed',
    inject: 'mv /usr/sbin/mount.s3files /usr/sbin/mount.hidden; umount -l /home/sftp',
    clear: 'mv /usr/sbin/mount.hidden /usr/sbin/mount.s3files',
    holdSeconds: 6,
    diagnosis: /mount\.s3files is not installed/,
    ending: 'fails at once',
  },
  'helper-not-root': failure('not-root', 'not run as root', /did not run as root/),
  'helper-dns': failure('dns', 'no mount target in this zone', /does not resolve/),
  'helper-wrong-type': failure('wrong-type', 'mounted with -t efs', /as type efs/),
  'helper-az': failure('az', 'no zone from the metadata service', /availability zone/),
  'helper-region': failure('region', 'no region', /does not know the AWS region/),
  'helper-credentials': failure('credentials', 'no credentials', /found no AWS credentials/),
  'helper-expired-token': failure(
    'expired-token',
    'stale credentials in root’s home',
    /credentials are expired or invalid/,
  ),
  'helper-describe': failure('describe-mount-targets', 'missing permission', /may not look up mount targets/),
  'helper-botocore': failure('botocore-fatal', 'botocore missing, and it gives up', /botocore is missing/),
  'helper-botocore-survived': {
    title: 'botocore missing, and it goes on',
    inject: 'mkdir -p /run/bed; echo botocore > /run/bed/mount-fault; umount -l /home/sftp',
    ending: 'mounts all the same',
  },
  'helper-target-ip': failure(
    'mount-target-ip',
    'mount target’s address is mute',
    /192\.0\.2\.10 does not answer/,
  ),
  'helper-options': failure('options', 'unknown option', /does not know the mount option az/),
  'helper-nfs40': failure('nfs40', 'NFS 4.0 asked for', /has no NFS 4\.0/),
  'helper-access-point': failure('access-point', 'malformed access point', /fsap-0 is malformed/),
  'helper-tlsport': failure('tlsport', 'tlsport is no number', /tlsport=any is no port/),
  'helper-port-taken': failure(
    'port-taken',
    'specified port is unavailable',
    /the local port 20049 is taken/,
  ),
  'helper-ports': failure('ports', 'no free port', /no local port is free/),
  'helper-no-proxy': failure('proxy-binary', 'efs-proxy missing', /efs-proxy is missing/),
  'helper-network': failure('network', 'no network yet, exit 0', /network was not up/, EXIT_0),
  'helper-silent': failure('silent', 'not a word', /ended with success, and nothing was mounted/, {
    ...EXIT_0,
    alsoUnder: ['storm'],
  }),
  'helper-already-mounted': failure(
    'already-mounted',
    'believes that it is mounted',
    /mounted already/,
    EXIT_0,
  ),
  'helper-proxy-death': failure('proxy-death', 'the tunnel dies', /did not start/),
  'helper-denied': failure('denied', 'IAM denies', /denied the mount/, {
    alsoUnder: ['sessions', 'storm'],
    tidied: true,
  }),
  'helper-security-group': failure('security-group', 'security group', /does not answer/, {
    ending: 'fails slowly',
    holdSeconds: 40,
    alsoUnder: ['upload'],
  }),
  'helper-hangs': failure('hang', 'before it starts its tunnel', /did not end in time|does not answer/, {
    ending: 'hangs',
    holdSeconds: 40,
  }),
  'helper-hangs-mounting': failure(
    'hang-mounting',
    'after it started its tunnel',
    /did not end in time|does not answer/,
    { ending: 'hangs', holdSeconds: 40, alsoUnder: ['sessions', 'storm'] },
  ),
};
