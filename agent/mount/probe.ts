import { messageOf } from '../operation-error.ts';
import type { Argv, Exec, ExecResult } from '../os/exec.ts';
import { guardedArgv } from '../os/transient.ts';
import type { Finding } from './health.ts';
import { statfsFinding, writeFinding } from './probe-outcome.ts';
import { processesOf } from './unit-processes.ts';

/** One that was killed and is still there a second later is stuck in the kernel; that alone is a finding. */
const STUCK_REPORT_MS = 1_000;
/** A new namespace, Node.js and an fsync: on a busy host a statfs's deadline would be unfair. */
const LEAST_WRITE_DEADLINE_SECONDS = 10;
/**
 * A write without an answer for this long, from its first touch of the mount, speaks against the mount before its
 * deadline, since no statfs runs beside it.
 */
const LEAST_WRITE_PATIENCE_SECONDS = 4;
/** How often a killed write probe is looked for. Its process is systemd's child, so nobody tells when it is gone. */
const LOOK_FOR_STUCK_MS = 1_000;

/** Runs probes of the mount in children, never two at a time. */
export interface Prober {
  /** Begins a statfs, unless a probe is under way or stuck. */
  startStatfs(path: string, deadlineSeconds: number): void;
  /** Begins a write, fsync, read back and unlink, unless a probe is under way or stuck. */
  startWrite(path: string, deadlineSeconds: number): void;
  /** Whether a probe is under way, or one that was killed is still there. */
  isBusy(): boolean;
  /** Waits for the probe under way to answer, at most this long. */
  wait(ms: number): Promise<void>;
  /** The findings since the last call, oldest first, each told once. */
  take(): readonly ProbeFinding[];
  /** Killed children that are still there: they hang in the kernel until the mount answers or goes. */
  stuck(): number;
}

export interface ProbeFinding extends Finding {
  readonly kind: 'statfs' | 'write';
}

/** The transient unit of the write probe. */
export const WRITE_PROBE_UNIT = 's3files-sftp-write-probe.service';

export interface ProberEdges {
  readonly exec: Exec;
  readonly monotonicMs: () => number;
  /** The command whose arguments are the mount point: the agent's own hidden command. */
  readonly writeProbe: Argv;
  /** The processes that a unit has; tests have their own. */
  readonly processesLeft?: (unit: string) => Promise<readonly number[]>;
}

export function createProber(edges: ProberEdges): Prober {
  const findings: ProbeFinding[] = [];
  let running: Promise<void> | undefined;
  let stuck = 0;
  let reportStuckAt = 0;

  const begin = (kind: ProbeFinding['kind'], pending: Promise<ExecResult>) => {
    running = pending
      .then((result) => {
        const finding = kind === 'statfs' ? statfsFinding(result) : writeFinding(result);
        if (finding !== undefined) findings.push({ kind, ...finding });
        if (result.outcome === 'timeout') quarantine(kind === 'statfs' ? result.reaped : writeProbeGone());
      })
      .catch((cause: unknown) => {
        findings.push({ kind, fault: 'hung', detail: messageOf(cause) });
      })
      .finally(() => {
        running = undefined;
      });
  };

  const quarantine = (reaped: Promise<void>) => {
    stuck += 1;
    reportStuckAt = edges.monotonicMs() + STUCK_REPORT_MS;
    const gone = () => {
      stuck -= 1;
    };
    reaped.then(gone, gone);
  };

  const writeProbeGone = async () => {
    const processesLeft = edges.processesLeft ?? processesOf;
    while ((await processesLeft(WRITE_PROBE_UNIT)).length > 0) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_FOR_STUCK_MS).unref());
    }
  };

  const isBusy = () => running !== undefined || stuck > 0;

  return {
    startStatfs: (path, deadlineSeconds) => {
      if (isBusy()) return;
      const timeoutMs = deadlineSeconds * 1000;
      begin('statfs', edges.exec(['stat', '--file-system', '--format=%i', '--', path], { timeoutMs }));
    },
    startWrite: (path, deadlineSeconds) => {
      if (isBusy()) return;
      const seconds = Math.max(deadlineSeconds, LEAST_WRITE_DEADLINE_SECONDS);
      const argv = guardedArgv(path, [...edges.writeProbe, path], seconds, WRITE_PROBE_UNIT);
      const patience = Math.max(deadlineSeconds, LEAST_WRITE_PATIENCE_SECONDS);
      const detail = `a write of the probe's was not answered for ${patience} s`;
      let overdue: NodeJS.Timeout | undefined;
      const pending = edges.exec(argv, {
        // The unit is killed at its own deadline; this one is for systemd-run itself.
        timeoutMs: (seconds + 3) * 1000,
        // Its first word comes just before it touches the mount: until then only the host is slow.
        onStdout: () => {
          overdue ??= setInterval(
            () => findings.push({ kind: 'write', fault: 'hung', detail }),
            patience * 1000,
          );
        },
      });
      begin(
        'write',
        pending.finally(() => clearInterval(overdue)),
      );
    },
    isBusy,
    wait: async (ms) => {
      if (running === undefined) return;
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, ms);
      });
      await Promise.race([running, patience]);
      clearTimeout(timer);
    },
    take: () => {
      if (stuck > 0 && edges.monotonicMs() >= reportStuckAt) {
        reportStuckAt = edges.monotonicMs() + STUCK_REPORT_MS;
        findings.push({
          kind: 'statfs',
          fault: 'hung',
          detail: 'a probe that was killed is still stuck in it',
        });
      }
      return findings.splice(0);
    },
    stuck: () => stuck,
  };
}
