/** Where accounts live; tests put all of it below a temporary directory. */
export interface AccountPaths {
  /** What systemd-sysusers takes as the root of the host. */
  readonly root: string;
  readonly passwd: string;
  readonly group: string;
  readonly shadow: string;
  /** One file for each user, outside of every chroot. */
  readonly keys: string;
  readonly ledger: string;
}

export const ACCOUNT_PATHS: AccountPaths = {
  root: '/',
  passwd: '/etc/passwd',
  group: '/etc/group',
  shadow: '/etc/shadow',
  keys: '/etc/s3files-sftp/keys',
  ledger: '/var/lib/s3files-sftp/accounts.json',
};
