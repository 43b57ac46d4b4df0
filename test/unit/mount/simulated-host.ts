import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from '../../../agent/config.ts';
import { createLog } from '../../../agent/log.ts';
import type { Sight } from '../../../agent/mount/identity.ts';
import { createMountWatch, REAL_MOUNT } from '../../../agent/mount/watch.ts';
import { OperationError } from '../../../agent/operation-error.ts';
import type { Argv, Exec, ExecResult } from '../../../agent/os/exec.ts';

const STOPPED = '9d1aaa27d60140bd96365438aad20286';
const STARTED = '39f53479d3a045ac8e11786248231fbf';
const UNMOUNT_FAILED: ExecResult = {
  outcome: 'exited',
  code: 32,
  stdout: '',
  stderr: 'umount: target is busy.\n',
};

const CONFIG = parseConfig(`
[mount]
file_system_id = "fs-0123456789abcdef0"
[uploads]
bucket = "bucket"
`);

/** What a test does to the mount and to the programs around it. */
export interface Weather {
  /** What is mounted, the top one last. */
  mounts: {
    id: number;
    kind: 'ours' | 'foreign';
    /** `hung-for-good`: whatever was killed in it stays there, also when it is detached. */
    condition: 'good' | 'hung' | 'hung-for-good' | 'flapping' | 'stale' | 'denied' | 'read-only';
  }[];
  /** Whether the next mounts succeed, and what they say if not. */
  mountFails: string | undefined;
  /** The helper does not end until it is killed. */
  mountHangs: boolean;
  /** Which umount commands work, by their flags. */
  umountWorks: (flags: string) => boolean;
  /** The host is so slow that the write probe does not come to the mount before its deadline. */
  writeStalls: boolean;
  /** What systemctl and systemd-run say while PID 1 does not answer. */
  bus: string | undefined;
  helperWatchdog: 'active' | 'inactive';
  sshdStarts: boolean;
  sshdRuns: boolean;
  mountpointFault: string | undefined;
}

/** A host on which time passes as the watch rests: every child answers at once, a hung one at its deadline. */
export function simulateHost(directory: string) {
  const weather: Weather = {
    mounts: [],
    mountFails: undefined,
    mountHangs: false,
    umountWorks: () => true,
    writeStalls: false,
    bus: undefined,
    helperWatchdog: 'active',
    sshdStarts: true,
    sshdRuns: false,
    mountpointFault: undefined,
  };
  const commands: string[] = [];
  const events: string[] = [];
  const recoveries: number[] = [];
  const logged: { level: string; msg: string }[] = [];
  let clockMs = 0;
  let nextId = 100;
  let mountJob = false;
  let stopJob: { readonly result: string; readonly at: number } | undefined;
  let flaps = 0;

  const nowMs = () => 1_700_000_000_000 + clockMs;
  const directories = { state: join(directory, 'state'), logs: join(directory, 'logs') };
  for (const each of Object.values(directories)) mkdirSync(each, { recursive: true });

  const ok = (stdout = ''): ExecResult => ({ outcome: 'exited', code: 0, stdout, stderr: '' });
  const failed = (stderr: string): ExecResult => ({ outcome: 'exited', code: 1, stdout: '', stderr });
  const late = (timeoutMs: number): ExecResult => {
    clockMs += timeoutMs;
    const reaped = top()?.condition === 'hung-for-good' ? new Promise<void>(() => {}) : Promise.resolve();
    const stdout = '{"step":"begun"}\n';
    return { outcome: 'timeout', timeoutMs, stdout, stderr: '', reaped };
  };
  const isHung = () => {
    const condition = top()?.condition;
    if (condition === 'flapping') flaps += 1;
    return (
      condition === 'hung' || condition === 'hung-for-good' || (condition === 'flapping' && flaps % 2 === 1)
    );
  };
  const top = () => weather.mounts.at(-1);

  const statfs = (timeoutMs: number): ExecResult => {
    const condition = top()?.condition;
    if (isHung()) return late(timeoutMs);
    const isStale = condition === 'stale' || condition === 'flapping';
    const words = "stat: cannot read file system information for '/home/sftp': Stale file handle";
    return isStale ? failed(words) : ok();
  };
  const write = (timeoutMs: number): ExecResult => {
    const condition = top()?.condition;
    if (isHung()) return late(timeoutMs);
    const codes: Record<string, string> = { denied: 'EACCES', 'read-only': 'EROFS', flapping: 'EIO' };
    const code = codes[condition ?? ''];
    return ok(JSON.stringify(code === undefined ? { step: 'done' } : { step: 'create a file', code }));
  };
  const umount = (argv: Argv): ExecResult => {
    const flags = argv
      .slice(argv.indexOf('umount') + 1, argv.indexOf('--', argv.indexOf('umount')))
      .join(' ');
    events.push(`umount ${flags}`);
    if (!weather.umountWorks(flags)) return UNMOUNT_FAILED;
    weather.mounts.pop();
    return ok();
  };
  /** As the helper's, which has a thousand: one of a hundred ports that no file in its state directory ends with. */
  const takePort = (): number | undefined => {
    const taken = new Set(readdirSync(directories.state).map((name) => Number(name.split('.').at(-1))));
    for (let port = 20049; port < 20149; port += 1) if (!taken.has(port)) return port;
    return undefined;
  };
  const startMount = (): ExecResult => {
    events.push('mount');
    const port = takePort();
    // The helper gives up at once.
    if (port === undefined) return ok();
    mountJob = true;
    if (!weather.mountHangs) return ok();
    const name = `fs-0123456789abcdef0.home.sftp.${port}`;
    for (const left of [`~${name}`, `stunnel-config.${name}`]) {
      writeFileSync(join(directories.state, left), '{}');
      utimesSync(join(directories.state, left), nowMs() / 1000, nowMs() / 1000);
    }
    return ok();
  };
  /** The job runs between two looks. */
  const finishMount = () => {
    if (!mountJob || weather.mountHangs) return;
    mountJob = false;
    if (weather.mountFails !== undefined) return;
    nextId += 1;
    weather.mounts.push({ id: nextId, kind: 'ours', condition: 'good' });
  };

  const exec: Exec = async (argv, { timeoutMs = 30_000 } = {}) => {
    const line = argv.join(' ');
    commands.push(line);
    if (argv[0] === 'stat') return statfs(timeoutMs);
    if (weather.bus !== undefined && /^system(?:ctl|d-run)$/.test(argv[0])) return failed(weather.bus);
    if (line.includes('mount-probe') && weather.writeStalls) return { ...late(timeoutMs), stdout: '' };
    if (line.includes('mount-probe')) return write(timeoutMs);
    if (line.includes(' umount ')) return umount(argv);
    if (line.includes(' rm -r -f -- ')) {
      for (const file of argv.slice(argv.lastIndexOf('--') + 1)) rmSync(file, { recursive: true });
    }
    if (line.includes('start --no-block -- home-sftp.mount')) return startMount();
    if (line.includes('amazon-efs-mount-watchdog')) {
      if (line.includes(' start ')) weather.helperWatchdog = 'active';
      return ok(`ActiveState=${weather.helperWatchdog}\n`);
    }
    if (line.includes('kill --kill-who=all')) mountJob = false;
    if (argv[0] === 'systemctl' && mountJob) return ok('ActiveState=activating\nSubState=mounting\nJob=7\n');
    if (argv[0] === 'systemctl') return ok('ActiveState=inactive\nJob=\nResult=exit-code\n');
    if (argv[0] === 'journalctl' && line.includes('UNIT=home-sftp.mount MESSAGE_ID')) {
      if (stopJob === undefined) return ok(JSON.stringify({ _BOOT_ID: 'b', MESSAGE_ID: STARTED }));
      const [JOB_RESULT, at] = [stopJob.result, String(stopJob.at * 1000)];
      return ok(JSON.stringify({ _BOOT_ID: 'b', MESSAGE_ID: STOPPED, JOB_RESULT, __REALTIME_TIMESTAMP: at }));
    }
    if (argv[0] === 'journalctl' && line.includes('_PID=1')) return ok(JSON.stringify({ _BOOT_ID: 'b' }));
    if (argv[0] === 'journalctl') return ok(weather.mountFails ?? '');
    return ok();
  };

  const look = async (): Promise<Sight> => {
    finishMount();
    const mount = top();
    if (mount === undefined) return { kind: 'absent' };
    const common = { mountId: mount.id, depth: weather.mounts.length };
    if (mount.kind === 'foreign') return { kind: 'foreign', ...common, detail: 'a tmpfs is mounted there' };
    const proof = `0:${mount.id} / nfs4 20123`;
    return { kind: 'ours', ...common, readOnly: false, port: 20123, proxyPid: undefined, proof };
  };

  const create = () =>
    createMountWatch(
      () => CONFIG,
      {
        startServing: async () => {
          if (!weather.sshdStarts) throw new OperationError({ op: 'start', target: 'sshd' }, 'no');
          events.push('serve');
          weather.sshdRuns = true;
        },
        stopServing: async () => {
          events.push('refuse');
          if (weather.bus !== undefined)
            throw new OperationError({ op: 'stop', target: 'sshd' }, weather.bus);
          weather.sshdRuns = false;
        },
        sshdActive: () => weather.sshdRuns,
        prepareMount: async () => {
          if (weather.mountpointFault === undefined) return;
          const hint = 'move it away';
          throw new OperationError({ op: 'mount on', target: '/home/sftp', hint }, weather.mountpointFault);
        },
        recovered: (seconds) => recoveries.push(seconds),
      },
      {
        exec,
        look,
        log: createLog('info', { write: (line) => logged.push(JSON.parse(line)) }),
        now: nowMs,
        monotonicMs: () => clockMs,
        random: () => 0.5,
        expectation: REAL_MOUNT,
        writeProbe: ['agent', 'mount-probe'],
        maintenanceFlag: join(directory, 'maintenance'),
        helperDirectories: directories,
      },
    );
  let watch = create();

  return {
    weather,
    commands,
    events,
    recoveries,
    logged,
    report: () => watch.report(),
    writeFailed: () => watch.writeFailed(),
    setMaintenance: (on: boolean) => watch.setMaintenance(on),
    leftovers: () => readdirSync(directories.state),
    /** A stop job of the mount unit ends: `done` or `failed`. It is up to the test what is mounted then. */
    stopJobEnded: (result: string) => {
      stopJob = { result, at: nowMs() + 1 };
    },
    restartAgent: () => {
      watch = create();
    },
    seconds: () => clockMs / 1000,
    /** Lets the watch tick and rest until something is so; fails after so many simulated seconds. */
    until: async (isSo: (report: ReturnType<typeof watch.report>) => boolean, withinSeconds = 60) => {
      const endMs = clockMs + withinSeconds * 1000;
      for (;;) {
        await watch.tick(new AbortController().signal);
        if (isSo(watch.report())) return;
        if (clockMs > endMs)
          throw new Error(`not so after ${withinSeconds} s: ${JSON.stringify(watch.report())}`);
        clockMs += watch.restMs();
      }
    },
    run: async (seconds: number) => {
      for (const endMs = clockMs + seconds * 1000; clockMs < endMs; clockMs += watch.restMs()) {
        await watch.tick(new AbortController().signal);
      }
    },
  };
}
