/** The unit of the partners' sshd. */
export const SSHD_UNIT = 's3files-sftp-sshd.service';
/** The log socket that systemd makes for that unit's journal namespace. */
export const LOG_SOCKET = '/run/systemd/journal.s3files-sftp/dev-log';
export const LOG_SOCKET_UNIT = 'systemd-journald@s3files-sftp.socket';

/** Of the probe account, below the runtime directory: its chroot, which is on no mount that could hang, and the key of a login under way. */
export const PROBE_CHROOT = 'probe';
export const PROBE_KEY = 'probe-key';

/** Where the agent renders what the host's other programs read; tests put all of it below a temporary directory. */
export interface HostPaths {
  readonly units: string;
  readonly runtime: string;
  readonly hostKeys: string;
  readonly sshd: string;
}

export const HOST_PATHS: HostPaths = {
  units: '/run/systemd/system',
  runtime: '/run/s3files-sftp',
  hostKeys: '/etc/s3files-sftp/host-keys',
  sshd: '/usr/sbin/sshd',
};
