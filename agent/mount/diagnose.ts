/** What is wrong, and what to do about it: one sentence each. */
export interface Diagnosis {
  readonly detail: string;
  readonly hint: string;
}

/** What a failed mount attempt left behind. */
export interface Traces {
  /** What the helper wrote: the end of its tunnel's log, the unit's journal lines, the end of mount.log. */
  readonly lines: readonly string[];
  /** The mount unit's `Result=` (systemd.mount(5)), such as `exit-code` or `timeout`. */
  readonly unitResult: string;
}

type Row = readonly [pattern: RegExp, detail: string, hint: string];

/**
 * Every known failure of mount.s3files (amazon-efs-utils 3.x, src/mount_efs and src/mount_s3files), most telling
 * first: an early failure often causes a general one later. `$1` is what the pattern caught.
 */
const TABLE: readonly Row[] = [
  [
    /unknown filesystem type '?s3files/,
    'the mount helper mount.s3files is not installed',
    'dnf install amazon-efs-utils (3.1.2 or later)',
  ],
  [
    /Failed to resolve "(\S+\.efs\.[^"]+)"/,
    'the file system was mounted as type efs, but it is an S3 Files file system',
    'mount it with type s3files: remove other units or fstab lines for this path',
  ],
  [
    /Failed to resolve "([^"]+)"/,
    '$1 does not resolve: this availability zone has no mount target, the file system id is wrong, or VPC DNS is off',
    'create a mount target in the host’s zone (there is no fallback to another), check mount.file_system_id, and turn on DNS support in the VPC',
  ],
  [
    /Cannot retrieve AZ-ID from instance metadata/,
    'the helper got no availability zone from the instance metadata service',
    'allow IMDSv2 for the instance, or name the zone: mount.options = ["azid=euc1-az1"]',
  ],
  [
    /Error retrieving region/,
    'the helper does not know the AWS region',
    'allow IMDSv2 for the instance, or set region in /etc/amazon/efs/s3files-utils.conf',
  ],
  [
    /not authorized to perform: (\S*DescribeMountTargets)/,
    'the instance’s role may not look up mount targets',
    'allow elasticfilesystem:DescribeMountTargets to the role; mounts of type efs and older helpers need it',
  ],
  [
    /AWS Access Key ID and Secret Access Key are not found|Failed to retrieve AWS (?:security )?credentials/i,
    'the helper found no AWS credentials',
    'give the instance a role; /root/.aws/credentials must not hold a [default] profile that is out of date',
  ],
  [
    /ExpiredToken|security token included in the request is (?:expired|invalid)|InvalidClientTokenId/,
    'the helper’s AWS credentials are expired or invalid',
    'remove the [default] profile from /root/.aws/credentials: the helper prefers it to the instance’s role',
  ],
  [
    /access denied by server while mounting/,
    'the file system denied the mount: the instance’s role lacks a permission',
    'allow s3files:ClientMount, s3files:ClientWrite and s3files:ClientRootAccess to the role, and check the file system policy',
  ],
  [
    /Connection to the mount target IP address (\S+) timeout/,
    'the mount target $1 does not answer',
    'allow TCP 2049 from the host’s security group to the mount target’s',
  ],
  [
    /Failed to establish an initial connection to EFS|Connect attempt failed - Timeout|failed due to timeout after \d+ sec/,
    'the mount target does not answer',
    'allow TCP 2049 from the host’s security group to the mount target’s',
  ],
  [
    /Unsupported mount options detected: "?([^"]+)"?/,
    'the helper does not know the mount option $1',
    'correct mount.options in /etc/s3files-sftp/config.toml',
  ],
  [
    /NFSv4\.0 is not supported for S3 Files/,
    'S3 Files has no NFS 4.0',
    'remove vers= and nfsvers= from mount.options',
  ],
  [/Access Point ID (\S+) is malformed/, 'the access point id $1 is malformed', 'correct mount.options'],
  [/tlsport option \[?([^\]\s]+)/, 'tlsport=$1 is no port', 'remove tlsport from mount.options'],
  [
    /Failed to locate an available port in the range/,
    'no local port is free for the helper’s tunnel (20049–21048)',
    'look for what is left behind: each file in /var/run/efs takes the port that its name ends with, and so does each process of pgrep -a efs-proxy',
  ],
  [
    /Specified port \[?(\d+)\]? is unavailable/,
    'the local port $1 is taken',
    'remove tlsport from mount.options: a fixed port blocks remounts',
  ],
  [
    /Failed to locate efs-proxy/,
    'the helper’s tunnel program efs-proxy is missing',
    'reinstall it: dnf reinstall amazon-efs-utils',
  ],
  [
    /Failed to initialize tunnel for|Failed to start tunnel/,
    'the helper’s tunnel efs-proxy did not start',
    'see /var/log/amazon/efs/mount.log; the host may be out of memory',
  ],
  [
    /network was not yet available/,
    'the network was not up when the helper ran, and it gave up with exit status 0',
    'it will be tried again; if it stays so, check the host’s network',
  ],
  [
    /is already mounted, please run 'mount'/,
    'the helper believes that the file system is mounted already, and did nothing',
    'see what is mounted: findmnt --task 1',
  ],
  [/only root can run this command/, 'the mount helper did not run as root', 'mount through systemd'],
  [
    /Failed to import botocore/,
    'the mount failed, and botocore is missing, which the helper’s logs and named profiles need',
    'dnf install python3-botocore',
  ],
];

/** So many of the helper's last lines are quoted where none is known. */
const QUOTED_LINES = 3;

/** Turns what a failed mount attempt left behind into what is wrong and what to do. */
export function diagnose({ lines, unitResult }: Traces): Diagnosis {
  for (const [pattern, detail, hint] of TABLE) {
    for (const line of lines) {
      const match = pattern.exec(line);
      if (match !== null) return { detail: detail.replace('$1', () => (match[1] ?? '').slice(0, 200)), hint };
    }
  }
  const quoted = lines.filter((line) => line.trim() !== '').slice(-QUOTED_LINES);
  const ending = RESULTS[unitResult] ?? `systemd calls it ${unitResult}`;
  const words = quoted.map((line) => line.trim().slice(0, 300)).join(' | ');
  return {
    detail:
      words === '' ? `the mount failed without a word: ${ending}` : `the mount failed (${ending}): ${words}`,
    hint: 'see /var/log/amazon/efs/mount.log, and journalctl of the mount unit',
  };
}

/** `Result=` of a mount unit (systemd.exec(5), systemd.mount(5)). */
const RESULTS: Readonly<Record<string, string>> = {
  success: 'the helper ended with success, and nothing was mounted',
  protocol: 'the helper ended with success, and nothing was mounted',
  'exit-code': 'the helper failed',
  timeout: 'the helper did not end in time',
  signal: 'the helper was killed',
  resources: 'the host lacks resources',
};
