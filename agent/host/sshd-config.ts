import type { Config } from '../config.ts';
import { PROBE_USER } from '../os/account-marks.ts';
import type { SshdSupport } from './algorithms.ts';
import { PROBE_CHROOT, PROBE_KEY } from './paths.ts';

/** Marks internal-sftp's own lines in the journal: syslog(3)'s code is 21. sshd's lines carry AUTHPRIV, 10. */
export const SFTP_FACILITY = 'LOCAL5';

export interface SshdConfigInput {
  readonly config: Pick<Config, 'sshd' | 'mount' | 'users'>;
  readonly support: SshdSupport;
  readonly hostKeys: readonly string[];
  /** The marker group: nobody else may log in here, root and administrators included. */
  readonly group: string;
  /** `/etc/s3files-sftp/keys`: one file for each user. */
  readonly keyDirectory: string;
  /** `/run/s3files-sftp`: what the probe account's sessions see and are let in by. */
  readonly runtime: string;
}

/** Renders the partner sshd's whole configuration (sshd_config(5)). The first value of a directive wins. */
export function renderSshdConfig(input: SshdConfigInput): string {
  const { config, support, hostKeys } = input;
  const { sshd, mount, users } = config;
  const { kex, ciphers, macs } = support.algorithms;
  const lines = [
    '# Rendered by s3files-sftp-agent from /etc/s3files-sftp/config.toml; changes here are lost.',
    `Port ${sshd.port}`,
    ...sshd.listen.map((address) => `ListenAddress ${address}`),
    ...hostKeys.map((path) => `HostKey ${path}`),
    'PidFile none',
    '',
    '# Who: only accounts of the marker group, only by the keys that the agent wrote.',
    `AllowGroups ${input.group} ${PROBE_USER}`,
    'PermitRootLogin no',
    'UsePAM no',
    'AuthenticationMethods publickey',
    'PubkeyAuthentication yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'HostbasedAuthentication no',
    'PermitEmptyPasswords no',
    `AuthorizedKeysFile ${input.keyDirectory}/%u`,
    'AuthorizedKeysCommand none',
    'TrustedUserCAKeys none',
    'StrictModes yes',
    '',
    '# What: SFTP inside the chroot, nothing else.',
    `ChrootDirectory ${mount.path}/%u`,
    'Subsystem sftp internal-sftp',
    `ForceCommand internal-sftp -l VERBOSE -f ${SFTP_FACILITY}${startDirectory(users.directories)}`,
    'DisableForwarding yes',
    'AllowTcpForwarding no',
    'AllowStreamLocalForwarding no',
    'AllowAgentForwarding no',
    'X11Forwarding no',
    'PermitTunnel no',
    'GatewayPorts no',
    'PermitTTY no',
    'PermitUserEnvironment no',
    'PermitUserRC no',
    'PrintMotd no',
    'PrintLastLog no',
    '',
    '# How much, how long.',
    `MaxStartups ${sshd.max_startups}`,
    'MaxAuthTries 6',
    'MaxSessions 10',
    'LoginGraceTime 30',
    `ClientAliveInterval ${sshd.client_alive_seconds}`,
    'ClientAliveCountMax 3',
    'TCPKeepAlive yes',
    'UseDNS no',
    ...support.directives,
    '',
    '# The policy, as far as this sshd knows it.',
    `KexAlgorithms ${kex.join(',')}`,
    `Ciphers ${ciphers.join(',')}`,
    `MACs ${macs.join(',')}`,
    '',
    '# INFO has each login with the fingerprint of its key.',
    'SyslogFacility AUTHPRIV',
    'LogLevel INFO',
    'VersionAddendum none',
    '',
    '# The agent’s own login, with a key that exists for that second only: do sessions’ lines arrive?',
    `Match User ${PROBE_USER}`,
    `  ChrootDirectory ${input.runtime}/${PROBE_CHROOT}`,
    `  AuthorizedKeysFile ${input.runtime}/${PROBE_KEY}`,
    `  ForceCommand internal-sftp -R -l VERBOSE -f ${SFTP_FACILITY}`,
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * Sessions start in the first directory. sshd splits a forced command at spaces and knows no quotes, so a name with a
 * space can't be given, and sessions then start in the chroot.
 */
function startDirectory(directories: readonly string[]): string {
  const [first] = directories;
  return first === undefined || /[^A-Za-z0-9_.-]/.test(first) ? '' : ` -d /${first}`;
}
