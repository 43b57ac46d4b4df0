import type { HostCommands } from './boot.ts';

/** What can go wrong with a host; AWS's faults are in aws.ts, those of mounting and exporting in s3-files.ts. */
export interface Faults {
  /** The proxy's pid in the host, from the state file of the port that is mounted. @throws Error where there is none */
  proxyPid(): Promise<number>;
  /** The mount hangs: every call on it waits. */
  stopProxy(): Promise<void>;
  continueProxy(): Promise<void>;
  /** The mount is dead: every call on it fails with ENOTCONN. */
  killProxy(): Promise<void>;
  /** SIGKILL, or another signal, to a unit's main process. @returns the pid that it had */
  killMain(unit: string, signal?: string): Promise<number>;
  /** umount by hand, with flags such as `-l`. */
  umount(path: string, ...flags: string[]): Promise<void>;
  /** Another, empty file system on top of what is there. */
  mountOver(path: string): Promise<void>;
  /** A file system of its own, of so many KiB, for a directory; what the directory holds moves there. */
  smallDisk(path: string, kib: number): Promise<void>;
  /** Leaves not a byte; freeDisk gives it back. */
  fillDisk(path: string): Promise<void>;
  freeDisk(path: string): Promise<void>;
}

const FILLER = '.fill';

export function createFaults({ run, exec, unit }: HostCommands): Faults {
  const proxyPid = async () => {
    // A dead mount's state stays for a while, so the newest file need not be the living one's.
    const script =
      'cat -- /run/efs/fs-*."$(sed -n "s/.*port=\\([0-9]*\\).*/\\1/p" /proc/1/mountinfo | tail -n 1)"';
    const { pid } = JSON.parse(await run(['sh', '-c', script]));
    return Number(pid);
  };
  const signalProxy = async (signal: string) => {
    await run(['kill', '-s', signal, String(await proxyPid())]);
  };
  return {
    proxyPid,
    stopProxy: async () => await signalProxy('STOP'),
    continueProxy: async () => await signalProxy('CONT'),
    killProxy: async () => await signalProxy('KILL'),
    killMain: async (name, signal = 'KILL') => {
      const pid = Number(await unit(name, 'MainPID'));
      if (!(pid > 1)) throw new Error(`${name} has no main process`);
      await run(['kill', '-s', signal, String(pid)]);
      return pid;
    },
    umount: async (path, ...flags) => {
      await run(['umount', ...flags, path]);
    },
    mountOver: async (path) => {
      await run(['mount', '-t', 'tmpfs', 'intruder', path]);
    },
    smallDisk: async (path, kib) => {
      const script =
        'mkdir -p "$1" && old=$(mktemp -d) && cp -a "$1/." "$old/" && mode=$(stat -c %a "$1") && ' +
        'mount -t tmpfs -o "size=$2k,mode=$mode" small "$1" && cp -a "$old/." "$1/" && rm -rf "$old"';
      await run(['sh', '-c', script, 'sh', path, String(kib)]);
    },
    fillDisk: async (path) => {
      // It ends with "No space left on device", which is the point.
      await exec(['dd', 'if=/dev/zero', `of=${path}/${FILLER}`, 'bs=4k']);
    },
    freeDisk: async (path) => {
      await run(['rm', '-f', `${path}/${FILLER}`]);
    },
  };
}
