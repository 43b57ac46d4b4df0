import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Argv,
  type CommandOptions,
  type CommandResult,
  command,
  ended,
  killGroup,
  spawnBound,
  until,
} from './command.ts';

export interface MachineOptions {
  readonly name: string;
  readonly root: string;
  readonly netns: string;
  /** Directories of this machine and where the host sees them; read-only where `ro`. */
  readonly binds: ReadonlyArray<{ readonly from: string; readonly to: string; readonly ro?: boolean }>;
  readonly logFd: number;
}

export interface ExecOptions extends CommandOptions {
  /** Runs as this user instead of root. */
  readonly user?: string;
}

/** A booted host: systemd as its PID 1, its files thrown away at the end. */
export interface Machine {
  /** The host's PID 1 as this machine numbers it. */
  readonly leader: number;
  /** Seconds from start until systemd said that all is up. */
  readonly bootSeconds: number;
  exec(argv: Argv, options?: ExecOptions): Promise<CommandResult>;
  /** A process in the host that runs beside the test; it dies with the host at the latest. */
  spawn(argv: Argv, options?: ExecOptions): ChildProcess;
  stop(): Promise<void>;
}

const ENVIRONMENT = [
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'LC_ALL=C.UTF-8',
  'TZ=UTC',
  'SYSTEMD_PAGER=cat',
];

/** Boots a host. @throws Error with what systemd wrote, when it does not come up */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const started = performance.now();
  const cgroups = ownCgroups(options.name);
  const nspawn = spawnBound(nspawnArgv(options, cgroups), {
    // Its PID 1 outlives an nspawn that is SIGKILLed.
    deathSignal: 'TERM',
    stdio: ['ignore', options.logFd, options.logFd],
  });
  const leader = await until('PID 1', () => pidOne(nspawn), { everyMs: 5 });
  const enter = (argv: Argv, user?: string): Argv => {
    const asUser = user === undefined ? [] : ['runuser', '-u', user, '--'];
    return [
      'nsenter',
      '--target',
      String(leader),
      '--all',
      '--',
      'env',
      '-i',
      ...ENVIRONMENT,
      ...asUser,
      ...argv,
    ];
  };
  const stop = async () => {
    nspawn.kill('SIGTERM');
    const patience = setTimeout(() => {
      process.kill(leader, 'SIGKILL');
      killGroup(nspawn);
    }, 5_000);
    await ended(nspawn);
    clearTimeout(patience);
    for (const path of cgroups) removeCgroup(path);
  };

  try {
    const state = await until('systemd to be up', async () => await bootState(enter), { timeoutMs: 30_000 });
    if (state !== 'running') throw new Error(`systemd says: ${state}`);
  } catch (error) {
    const { stdout } = await command(enter(['systemctl', '--failed', '--no-legend', '--plain']));
    await stop();
    throw new Error(`the host did not come up; failed units: ${stdout.trim() || 'none'}`, { cause: error });
  }
  return {
    leader,
    bootSeconds: (performance.now() - started) / 1000,
    exec: async (argv, { user, ...rest } = {}) => await command(enter(argv, user), rest),
    spawn: (argv, { user } = {}) => spawnBound(enter(argv, user), { stdio: ['pipe', 'pipe', 'pipe'] }),
    stop,
  };
}

function nspawnArgv({ name, root, netns, binds }: MachineOptions, cgroups: readonly string[]): Argv {
  // A cgroup of its own: two hosts in one would take each other's services for their own.
  const join = 'while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs"; shift; done; shift; exec "$@"';
  return [
    ...(['sh', '-c', join, 'sh', ...cgroups, '--'] as const),
    'systemd-nspawn',
    '--quiet',
    `--directory=${root}`,
    '--volatile=overlay',
    `--machine=${name}`,
    '--hostname=sftp-host',
    // What SIGTERM does to the host: an orderly shutdown would wait for a mount that hangs.
    '--kill-signal=SIGKILL',
    '--register=no',
    '--keep-unit',
    '--console=pipe',
    '--resolv-conf=off',
    '--timezone=off',
    '--link-journal=no',
    `--network-namespace-path=${netns}`,
    '--bind=/dev/fuse',
    ...binds.map(({ from, to, ro }) => `--bind${ro ? '-ro' : ''}=${from}:${to}`),
    '--boot',
  ];
}

/** nspawn's child that runs systemd; before it there is a short-lived one, and before exec it has another name. */
function pidOne(nspawn: ChildProcess): number | undefined {
  if (nspawn.exitCode !== null) throw new Error(`systemd-nspawn ended: ${nspawn.exitCode}`);
  const children = readFileSync(`/proc/${nspawn.pid}/task/${nspawn.pid}/children`, 'utf8');
  for (const pid of children.split(' ').filter(Boolean)) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    if (/^Name:\tsystemd$/m.test(status) && /^NSpid:\t\d+\t1$/m.test(status)) return Number(pid);
  }
  return undefined;
}

/**
 * The pid by which this machine knows a process of a host.
 * @param leader the host's PID 1 as this machine numbers it
 * @throws Error where the host has no such process
 */
export function pidOutside(leader: number, pid: number): number {
  const namespaceOf = (name: string | number) => readlinkSync(`/proc/${name}/ns/pid`);
  const namespace = namespaceOf(leader);
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const isIt = new RegExp(`^NSpid:.*\\t${pid}$`, 'm').test(readFileSync(`/proc/${name}/status`, 'utf8'));
      if (isIt && namespaceOf(name) === namespace) return Number(name);
    } catch {
      // It ended meanwhile.
    }
  }
  throw new Error(`the host has no process ${pid}`);
}

/** systemd's word once it has one; undefined while its bus is not there yet. */
async function bootState(enter: (argv: Argv) => Argv): Promise<string | undefined> {
  const { stdout } = await command(enter(['systemctl', 'is-system-running', '--wait']), {
    timeoutMs: 20_000,
  });
  const state = stdout.trim();
  return state === 'running' || state === 'degraded' ? state : undefined;
}

/** Removes the empty cgroups of a host whose run was killed. */
export function sweepMachine(name: string): void {
  for (const path of cgroupPaths(name)) removeCgroup(path);
}

/** Makes a cgroup below this process's own. */
function ownCgroups(name: string): string[] {
  const paths = cgroupPaths(name);
  for (const path of paths) mkdirSync(path, { recursive: true });
  return paths;
}

/** Where a host's cgroup lies, in each hierarchy that systemd uses (one, or two on a hybrid host). */
function cgroupPaths(name: string): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  const paths: string[] = [];
  for (const line of readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n')) {
    const [, controllers, path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const kind = controllers === '' ? 'cgroup2' : 'cgroup';
    const pattern = kind === 'cgroup2' ? / \S+ - cgroup2 / : / - cgroup \S+ \S*\bname=systemd\b/;
    if (controllers !== '' && controllers !== 'name=systemd') continue;
    const mountPoint = mounts
      .split('\n')
      .find((mount) => pattern.test(mount))
      ?.split(' ')[4];
    if (mountPoint !== undefined) paths.push(join(mountPoint, path, name));
  }
  return paths;
}

/** Removes a cgroup with those that systemd made below it; they are empty once the host is gone. */
function removeCgroup(path: string): void {
  try {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory()) removeCgroup(join(path, entry.name));
    }
    rmdirSync(path);
  } catch {
    // Something still dies in it: an empty cgroup left behind harms nobody.
  }
}
