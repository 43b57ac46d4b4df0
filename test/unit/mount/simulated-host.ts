import { parseConfig } from '../../../agent/config.ts';
import { createLog } from '../../../agent/log.ts';
import type { Sight } from '../../../agent/mount/identity.ts';
import { createMountWatch, REAL_MOUNT } from '../../../agent/mount/watch.ts';
import { OperationError } from '../../../agent/operation-error.ts';
import type { Argv, Exec, ExecResult } from '../../../agent/os/exec.ts';

const STOPPING = 'de5b426a63be47a7b6ac3eaac82e2f6f';
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
    condition: 'good' | 'hung' | 'stale' | 'denied' | 'read-only';
  }[];
  /** Whether the next mounts succeed, and what they say if not. */
  mountFails: string | undefined;
  /** The helper does not end until it is killed. */
  mountHangs: boolean;
  /** Which umount commands work, by their flags. */
  umountWorks: (flags: string) => boolean;
  stoppedByHand: boolean;
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
    stoppedByHand: false,
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

  const ok = (stdout = ''): ExecResult => ({ outcome: 'exited', code: 0, stdout, stderr: '' });
  const failed = (stderr: string): ExecResult => ({ outcome: 'exited', code: 1, stdout: '', stderr });
  const late = (timeoutMs: number): ExecResult => {
    clockMs += timeoutMs;
    return { outcome: 'timeout', timeoutMs, stdout: '', stderr: '', reaped: Promise.resolve() };
  };
  const top = () => weather.mounts.at(-1);

  const statfs = (timeoutMs: number): ExecResult => {
    const condition = top()?.condition;
    if (condition === 'hung') return late(timeoutMs);
    return condition === 'stale' ? failed('stat: /home/sftp: Stale file handle') : ok();
  };
  const write = (timeoutMs: number): ExecResult => {
    const condition = top()?.condition;
    if (condition === 'hung') return late(timeoutMs);
    const codes: Record<string, string> = { denied: 'EACCES', 'read-only': 'EROFS' };
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
  const startMount = (): ExecResult => {
    events.push('mount');
    mountJob = true;
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
    if (line.includes('mount-probe')) return write(timeoutMs);
    if (line.includes(' umount ')) return umount(argv);
    if (line.includes('start --no-block -- home-sftp.mount')) return startMount();
    if (line.includes('amazon-efs-mount-watchdog')) {
      if (line.includes(' start ')) weather.helperWatchdog = 'active';
      return ok(`ActiveState=${weather.helperWatchdog}\n`);
    }
    if (line.includes('kill --kill-who=all')) mountJob = false;
    if (argv[0] === 'systemctl' && mountJob) return ok('ActiveState=activating\nSubState=mounting\nJob=7\n');
    if (argv[0] === 'systemctl') return ok('ActiveState=inactive\nJob=\nResult=exit-code\n');
    if (argv[0] === 'journalctl' && line.includes('UNIT=home-sftp.mount MESSAGE_ID')) {
      const id = weather.stoppedByHand ? STOPPING : STARTED;
      return ok(JSON.stringify({ _BOOT_ID: 'b', MESSAGE_ID: id }));
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
    return { kind: 'ours', ...common, readOnly: false, port: 20123, proxyPid: undefined };
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
        now: () => 1_700_000_000_000 + clockMs,
        monotonicMs: () => clockMs,
        random: () => 0.5,
        expectation: REAL_MOUNT,
        writeProbe: ['agent', 'mount-probe'],
        maintenanceFlag: `${directory}/maintenance`,
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
