/**
 * The strict grammar of systemd (USER_NAMES in systemd's documentation): letters, digits, `_` and `-`, not starting
 * with a digit or `-`, at most 31 characters (utmp's 32 with its end). Anything wider is refused here, since
 * systemd-sysusers stops the whole batch at one such name.
 */
const NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,30}$/;

/** Names that distributions, their packages and cloud images give to accounts and groups of their own. */
const RESERVED: ReadonlySet<string> = new Set(
  `root bin daemon adm lp sync shutdown halt mail operator games ftp nobody nogroup nfsnobody sys tty disk kmem wheel
  cdrom dialout floppy tape video audio users utmp utempter lock input sgx kvm render messagebus dbus polkitd tss sshd
  ssh_keys sshusers sftp sftpusers rpc rpcuser chrony ntp nscd tcpdump screen man news uucp proxy backup list irc gnats
  sudo shadow src staff plugdev crontab postfix postdrop apache nginx mysql postgres redis docker podman libvirt qemu
  stapusr stapsys stapdev stunnel ec2-user ec2-instance-connect ssm-user cwagent centos fedora ubuntu debian admin
  administrator rocky almalinux cloud-user maintuser s3files-sftp s3files efs dev __proto__`.split(/\s+/),
);

/**
 * Why a partner can't have this name, in a few words, or undefined when the name is fine. Whether an account of that
 * name exists already is another matter, which the planner decides.
 */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (name.length > 31) return `has ${name.length} characters; Linux allows 31`;
  if (/[.@]/.test(name)) return 'holds "." or "@", which Transfer Family allows and Linux accounts do not';
  if (/^[-0-9]/.test(name)) return 'begins with a digit or "-"';
  if (!NAME.test(name)) return 'holds something other than letters, digits, "_" and "-"';
  const lower = name.toLowerCase();
  if (RESERVED.has(lower) || lower.startsWith('systemd-')) return 'is reserved for the system';
  return undefined;
}

/** A name from outside, fit for a log line: quoted, in printable ASCII, at most 64 characters. */
export function quoteName(name: string): string {
  const short = name.length > 64 ? `${name.slice(0, 64)}…` : name;
  const escaped = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return `"${short.replace(/[^\x20-\x7e…]|["\\]/g, escaped)}"`;
}

/** One path segment below a chroot, by the same rule as `users.directories` in the configuration. */
const DIRECTORY = /^[A-Za-z0-9_][A-Za-z0-9_. -]{0,63}$/;

/** Whether a partner's directory may have this name. `dev` holds the log socket of sshd's namespace. */
export function isDirectoryName(name: string): boolean {
  return DIRECTORY.test(name) && name !== 'dev';
}
