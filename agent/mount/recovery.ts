import type { Config } from '../config.ts';
import { messageOf, OperationError } from '../operation-error.ts';
import type { Edges } from '../os/edges.ts';
import { killUnit, queueStart, showUnit } from '../os/systemd.ts';
import { mountUnitName } from '../os/unit-name.ts';
import { type Diagnosis, diagnose } from './diagnose.ts';
import { exhausted } from './exhausted.ts';
import type { Fault } from './health.ts';
import type { Sight } from './identity.ts';
import {
  type Attempt,
  afterRung,
  mountPatience,
  NO_ATTEMPT,
  nextRung,
  RUNG_DEADLINE_MS,
  type Rung,
  restAfterFailure,
} from './remedy.ts';
import { canRestartProxy, endHolders, endProxy, unmount } from './rungs.ts';
import { gatherTraces } from './traces.ts';

export interface RecoveryHooks {
  stopServing(): Promise<void>;
  /** Looks at what is mounted now; undefined where nothing is. @throws OperationError when it can't be seen */
  mountId(): Promise<number | undefined>;
  /** Renders the mount unit and prepares the directory below it. */
  prepareMount(): Promise<void>;
  /** An attempt to mount was killed: what it left must be taken away before the next. */
  cutOff(): void;
}

export interface RecoveryState {
  /** The steps of the attempt under way; empty between attempts. */
  readonly attempt: Attempt;
  /** When the next attempt begins, in ms of the steady clock; undefined while one is under way. */
  readonly nextAttemptMs: number | undefined;
  /** When the last attempt failed, by the steady clock. */
  readonly failedAtMs: number | undefined;
  /** Why the last attempt failed. */
  readonly diagnosis: Diagnosis | undefined;
  /** Whether the start job of the mount unit is under way. */
  readonly mounting: boolean;
  /** Whether a new tunnel is being waited for, so that the mount may come back by itself. */
  readonly waitingForProxy: boolean;
}

/** Brings a mount back, one step at a time; the caller looks again between two steps. */
export interface Recovery {
  /** Takes the next step against a fault, or rests. Long: never awaited by a tick. */
  step(fault: Fault, sight: Sight): Promise<void>;
  /** Looks at the start job of the mount unit; to be called while `mounting`. */
  followMounting(sight: Sight): Promise<void>;
  /** The mount is proven: the next fault begins with the first step and the shortest rest. */
  succeeded(): void;
  /** The next step is taken at once. */
  retryNow(): void;
  state(): RecoveryState;
}

/** Between the end of a failed attempt and the begin of the next. */
const LEAST_REST_MS = 1_000;

/** The start job of the mount unit. */
interface Mounting {
  /** Its begin, in ms since 1970, and by the steady clock. */
  readonly since: number;
  readonly sinceMs: number;
  /** By the steady clock. */
  readonly untilMs: number;
  /** systemd took it for mounted when it was last asked. */
  readonly saidActive: boolean;
}

type RecoveryEdges = Pick<Edges, 'exec' | 'log' | 'now' | 'monotonicMs' | 'random'>;

export function createRecovery(
  config: () => Config['mount'],
  hooks: RecoveryHooks,
  edges: RecoveryEdges,
): Recovery {
  const { exec, log, monotonicMs } = edges;
  let attempt = NO_ATTEMPT;
  let failures = 0;
  let nextAttemptMs: number | undefined;
  let failedAtMs: number | undefined;
  let diagnosis: Diagnosis | undefined;
  let mounting: Mounting | undefined;
  let waitForProxyUntilMs = 0;

  const fail = (why: Diagnosis) => {
    failures += 1;
    diagnosis = why;
    // The helper's leftovers of each attempt last for a minute: attempts are kept apart from begin to begin.
    const restMs = restAfterFailure(failures, config().max_backoff_seconds, edges.random());
    const tookMs = mounting === undefined ? 0 : monotonicMs() - mounting.sinceMs;
    const waitMs = Math.max(LEAST_REST_MS, restMs - tookMs);
    failedAtMs = monotonicMs();
    nextAttemptMs = failedAtMs + waitMs;
    attempt = NO_ATTEMPT;
    mounting = undefined;
    const nextAttemptAt = new Date(edges.now() + waitMs).toISOString();
    log.error(
      { ...why, failures, nextAttemptAt },
      `the mount could not be brought back: ${why.detail}; next attempt in ${Math.ceil(waitMs / 1000)} s`,
    );
  };

  const begin = {
    'restart-proxy': async (sight) => {
      if (sight.kind !== 'ours' || sight.proxyPid === undefined) return;
      await endProxy(exec, sight.proxyPid);
      waitForProxyUntilMs = monotonicMs() + RUNG_DEADLINE_MS['restart-proxy'];
    },
    'stop-serving': () => hooks.stopServing(),
    'end-holders': async () => {
      const pids = await endHolders(exec, config().path);
      if (pids.length > 0) log.warn({ pids }, 'killed the processes that held the mount');
    },
    mount: async () => {
      await hooks.prepareMount();
      const since = edges.now();
      const sinceMs = monotonicMs();
      await queueStart(exec, mountUnitName(config().path));
      mounting = { since, sinceMs, untilMs: sinceMs + mountPatience(failures), saidActive: false };
    },
  } satisfies Partial<Record<Rung, (sight: Sight) => Promise<void>>>;

  const take = async (rung: Rung, sight: Sight) => {
    const beganMs = monotonicMs();
    try {
      if (rung in begin) await begin[rung as keyof typeof begin](sight);
      else if (sight.kind !== 'absent') {
        const { mountId } = sight;
        const isGone = async () => (await hooks.mountId().catch(() => mountId)) !== mountId;
        await unmount(exec, rung, { path: config().path, mountId, isGone });
      }
      log.info({ rung, ms: Math.round(monotonicMs() - beganMs) }, `mount: ${rung}`);
    } catch (cause) {
      log.warn({ rung, err: cause, ms: Math.round(monotonicMs() - beganMs) }, `mount: ${rung} failed`);
      if (rung === 'mount') {
        const hint = cause instanceof OperationError ? cause.hint : undefined;
        fail({ detail: messageOf(cause), hint: hint ?? 'see journalctl -u s3files-sftp-agent' });
        return;
      }
    }
    attempt = afterRung(attempt, rung, sight);
  };

  return {
    step: async (fault, sight) => {
      const now = monotonicMs();
      // The tunnel's death can turn a hang into an error, which no new tunnel mends.
      if (fault === 'hung' && now < waitForProxyUntilMs) return;
      waitForProxyUntilMs = 0;
      if (nextAttemptMs !== undefined) {
        if (now < nextAttemptMs) return;
        nextAttemptMs = undefined;
      }
      const proxyCanRestart =
        fault === 'hung' &&
        !attempt.done.has('restart-proxy') &&
        (await canRestartProxy(edges, config().path, sight));
      const rung = nextRung({ fault, sight, attempt, proxyCanRestart });
      if (rung !== undefined) await take(rung, sight);
      else fail(exhausted(fault, sight, attempt));
    },
    followMounting: async (sight) => {
      if (mounting === undefined) return;
      if (sight.kind === 'ours') {
        mounting = undefined;
        return;
      }
      const unit = mountUnitName(config().path);
      const { ActiveState, SubState, Job } = await showUnit(exec, unit, ['ActiveState', 'SubState', 'Job']);
      // `mounting-done`: it is mounted, and the helper still writes its state file.
      const underWay = SubState.startsWith('mounting') || (Job !== '' && Job !== '0');
      if (underWay && monotonicMs() < mounting.untilMs) return;
      // What was seen is older than what systemd says: it may have been mounted in between.
      if (ActiveState === 'active' && !mounting.saidActive) {
        mounting = { ...mounting, saidActive: true };
        return;
      }
      // Not a stop job: that would be taken for somebody's wish.
      if (underWay) {
        await killUnit(exec, unit, 'all');
        hooks.cutOff();
      }
      if (sight.kind === 'foreign' && ActiveState === 'active') {
        fail({ detail: sight.detail, hint: 'see what is mounted: findmnt --task 1' });
        return;
      }
      const traces = await gatherTraces(exec, config().path, mounting.since);
      fail(diagnose(underWay ? { ...traces, unitResult: 'timeout' } : traces));
    },
    succeeded: () => {
      attempt = NO_ATTEMPT;
      failures = 0;
      nextAttemptMs = undefined;
      failedAtMs = undefined;
      diagnosis = undefined;
      mounting = undefined;
      waitForProxyUntilMs = 0;
    },
    retryNow: () => {
      if (nextAttemptMs !== undefined) nextAttemptMs = monotonicMs();
    },
    state: () => ({
      attempt,
      nextAttemptMs,
      failedAtMs,
      diagnosis,
      mounting: mounting !== undefined,
      waitingForProxy: monotonicMs() < waitForProxyUntilMs,
    }),
  };
}
