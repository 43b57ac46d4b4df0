import { messageOf } from '../operation-error.ts';
import type { Argv, Exec, ExecResult } from '../os/exec.ts';
import { guardedArgv } from '../os/transient.ts';
import type { Finding } from './health.ts';
import { type NotProbed, statfsOutcome, writeOutcome } from './probe-outcome.ts';
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

/**
 * So many probes of mounts that are gone may hang in the kernel beside the visible mount's own. More are a host that
 * only a reboot mends.
 */
const MOST_STUCK = 16;

/**
 * Runs probes of mounts in children, never two of one mount at a time. A mount is told by its id in mountinfo, which
 * the kernel gives to no other while a process hangs in it.
 */
export interface Prober {
  /** Begins a statfs, unless a probe of this mount is under way or stuck. */
  startStatfs(mountId: number, path: string, deadlineSeconds: number): void;
  /** Begins a write, fsync, read back and unlink, unless a probe of this mount is under way or stuck. */
  startWrite(mountId: number, path: string, deadlineSeconds: number): void;
  /** Whether a probe of this mount is under way, or one that was killed is still there. */
  isBusy(mountId: number): boolean;
  /** Waits for the probe of this mount that is under way, at most this long. */
  wait(mountId: number, ms: number): Promise<void>;
  /** The outcomes for this mount since the last call, oldest first, each told once. Those of other mounts are dropped. */
  take(mountId: number | undefined): readonly ProbeOutcome[];
  /** Killed children that are still there, of whatever mount: they hang in the kernel until it answers or goes. */
  stuck(): number;
}

export type ProbeOutcome = (Finding | NotProbed) & { readonly kind: 'statfs' | 'write' };

interface Probe {
  readonly mountId: number;
  /** Settles when it answered, or was killed. */
  readonly answered: Promise<void>;
  /** Undefined while it is under way; then when it is next told that it is stuck, by the steady clock. */
  stuckToldMs: number | undefined;
  /** It was killed before it came to the mount: what holds it says nothing of that, and a statfs may be asked beside it. */
  isElsewhere: boolean;
}

/** The transient unit of a mount's write probe: one that hangs must not keep the next mount's from starting. */
export const writeProbeUnit = (mountId: number): string => `s3files-sftp-write-probe-${mountId}.service`;

export interface ProberEdges {
  readonly exec: Exec;
  readonly monotonicMs: () => number;
  /** The command whose arguments are the mount point: the agent's own hidden command. */
  readonly writeProbe: Argv;
  /** The processes that a unit has; tests have their own. */
  readonly processesLeft?: (unit: string) => Promise<readonly number[]>;
}

export function createProber(edges: ProberEdges): Prober {
  const probes = new Set<Probe>();
  const outcomes: Array<readonly [mountId: number, outcome: ProbeOutcome]> = [];

  const of = (mountId: number) =>
    [...probes].filter((probe) => probe.mountId === mountId && !probe.isElsewhere);
  const stuck = () => [...probes].filter(({ stuckToldMs }) => stuckToldMs !== undefined).length;

  const begin = (mountId: number, kind: ProbeOutcome['kind'], pending: Promise<ExecResult>) => {
    const tell = (outcome: Finding | NotProbed) => outcomes.push([mountId, { kind, ...outcome }]);
    const answered = pending.then(
      (result) => {
        const outcome = kind === 'statfs' ? statfsOutcome(result) : writeOutcome(result);
        tell(outcome);
        if (result.outcome !== 'timeout') return probes.delete(probe);
        probe.isElsewhere = 'problem' in outcome;
        probe.stuckToldMs = edges.monotonicMs();
        const gone = () => probes.delete(probe);
        return void (kind === 'statfs' ? result.reaped : writeProbeGone(mountId)).then(gone, gone);
      },
      (cause: unknown) => {
        tell({ problem: `the ${kind} probe could not be started: ${messageOf(cause)}` });
        probes.delete(probe);
      },
    );
    const probe: Probe = {
      mountId,
      answered: answered.then(() => {}),
      stuckToldMs: undefined,
      isElsewhere: false,
    };
    probes.add(probe);
  };

  const writeProbeGone = async (mountId: number) => {
    const processesLeft = edges.processesLeft ?? processesOf;
    while ((await processesLeft(writeProbeUnit(mountId))).length > 0) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_FOR_STUCK_MS).unref());
    }
  };

  const mayBegin = (mountId: number, kind: ProbeOutcome['kind']) => {
    if (of(mountId).length > 0) return false;
    if (stuck() < MOST_STUCK) return true;
    const problem = `${stuck()} probes of earlier mounts hang in the kernel: reboot the host`;
    outcomes.push([mountId, { kind, problem }]);
    return false;
  };

  return {
    startStatfs: (mountId, path, deadlineSeconds) => {
      if (!mayBegin(mountId, 'statfs')) return;
      const timeoutMs = deadlineSeconds * 1000;
      begin(
        mountId,
        'statfs',
        edges.exec(['stat', '--file-system', '--format=%i', '--', path], { timeoutMs }),
      );
    },
    startWrite: (mountId, path, deadlineSeconds) => {
      if (!mayBegin(mountId, 'write')) return;
      const seconds = Math.max(deadlineSeconds, LEAST_WRITE_DEADLINE_SECONDS);
      const argv = guardedArgv(path, [...edges.writeProbe, path], seconds, writeProbeUnit(mountId));
      const patience = Math.max(deadlineSeconds, LEAST_WRITE_PATIENCE_SECONDS);
      const detail = `a write of the probe's was not answered for ${patience} s`;
      let overdue: NodeJS.Timeout | undefined;
      const pending = edges.exec(argv, {
        // The unit is killed at its own deadline; this one is for systemd-run itself.
        timeoutMs: (seconds + 3) * 1000,
        // Its first word comes just before it touches the mount: until then only the host is slow.
        onStdout: () => {
          overdue ??= setInterval(
            () => outcomes.push([mountId, { kind: 'write', fault: 'hung', detail }]),
            patience * 1000,
          );
        },
      });
      begin(
        mountId,
        'write',
        pending.finally(() => clearInterval(overdue)),
      );
    },
    isBusy: (mountId) => of(mountId).length > 0,
    wait: async (mountId, ms) => {
      const underWay = of(mountId).find(({ stuckToldMs }) => stuckToldMs === undefined);
      if (underWay === undefined) return;
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, ms);
      });
      await Promise.race([underWay.answered, patience]);
      clearTimeout(timer);
    },
    take: (mountId) => {
      const found = outcomes.splice(0).flatMap(([id, outcome]) => (id === mountId ? [outcome] : []));
      if (mountId === undefined) return found;
      const now = edges.monotonicMs();
      const told = of(mountId).filter(
        ({ stuckToldMs }) => stuckToldMs !== undefined && now >= stuckToldMs + STUCK_REPORT_MS,
      );
      for (const probe of told) {
        probe.stuckToldMs = now;
        found.push({ kind: 'statfs', fault: 'hung', detail: 'a probe that was killed is still stuck in it' });
      }
      return found;
    },
    stuck,
  };
}
