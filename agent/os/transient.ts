import type { Argv } from './exec.ts';

/** The script that gives a command a mount namespace in which the partners' mount follows no links. */
export const MOUNT_NAMESPACE_SCRIPT = '/usr/lib/s3files-sftp/mount-namespace';

/**
 * A command line that runs `argv` as a transient unit of systemd's and waits for it: outside of the agent's sandbox
 * and mount namespace, with the exit status, input and output passed through (systemd-run(1)).
 * @param deadlineSeconds systemd kills the unit after this, even when the agent is gone by then
 * @param unit a name of its own, by which what it leaves behind is found; no second one starts meanwhile
 */
export function transientArgv(argv: Argv, deadlineSeconds: number, unit?: string): Argv {
  return [...transient(deadlineSeconds, unit), '--', ...literal(argv)];
}

/**
 * Like {@link transientArgv}, in a mount namespace of its own in which `mountPath` is nosymfollow, nosuid, nodev and
 * noexec: whoever can write the bucket can plant links, and root must not follow them.
 */
export function guardedArgv(mountPath: string, argv: Argv, deadlineSeconds: number, unit?: string): Argv {
  const script = literal([MOUNT_NAMESPACE_SCRIPT, mountPath, '--', ...argv]);
  return [...transient(deadlineSeconds, unit), '--property=PrivateMounts=yes', '--', ...script];
}

function transient(deadlineSeconds: number, unit: string | undefined): Argv {
  return [
    'systemd-run',
    ...(unit === undefined ? [] : [`--unit=${unit}`]),
    '--quiet',
    '--wait',
    '--pipe',
    '--collect',
    `--property=RuntimeMaxSec=${deadlineSeconds}`,
    // A child that hangs on the mount in spite of SIGKILL must not hold systemd's queue for the default 90 s.
    '--property=TimeoutStopSec=2',
    '--property=SendSIGKILL=yes',
    // As the agent itself: partners' logins must not starve it.
    '--property=CPUWeight=400',
  ];
}

/**
 * The unit's command line is read like one of a unit file, in which `${X}` and `$X` are variables and `$$` is a dollar
 * sign (systemd.service(5), COMMAND LINES): a partner may name a file like that.
 */
function literal(argv: readonly string[]): string[] {
  return argv.map((word) => word.replaceAll('$', '$$$$'));
}
