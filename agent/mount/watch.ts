import type { Config } from '../config.ts';
import type { Edges } from '../os/edges.ts';
import type { Argv } from '../os/exec.ts';
import { mountUnitName } from '../os/unit-name.ts';
import { createActivity } from './activity.ts';
import { createEvidence, PATIENCE_MS } from './evidence.ts';
import { faultOf, type Health } from './health.ts';
import { createHelperWatchdog } from './helper-watchdog.ts';
import { wasStoppedByHand } from './human-stop.ts';
import type { MountExpectation, Sight } from './identity.ts';
import { createLeftovers, type HelperDirectories } from './leftovers.ts';
import { type LookOptions, look as lookAtHost } from './look.ts';
import { createMaintenanceFlag, MAINTENANCE_FLAG } from './maintenance.ts';
import { createProber } from './probe.ts';
import { createRecovery } from './recovery.ts';
import { describeHealth, type HealthInWords, type Maintenance, type MountReport } from './report.ts';
import { createServing, type ServingHooks } from './serving.ts';

export { type MountExpectation, REAL_MOUNT } from './identity.ts';
export type { MountReport } from './report.ts';

export interface MountHooks extends ServingHooks {
  /** Stops the partner sshd and ends its sessions. */
  stopServing(): Promise<void>;
  /** Starts the partner sshd; where it runs already, its sessions must not notice. */
  startServing(proof: string): Promise<void>;
  /** Whether the partner sshd runs, by the last look; where it does not though it should, it is started again. */
  sshdActive?(): boolean;
  /** Partners are served again, after so many seconds. */
  recovered(seconds: number): void;
  /** Renders the mount unit, and makes the directory below it ready. @throws when mounting there would be wrong */
  prepareMount(): Promise<void>;
}

export interface MountWatch {
  /** Looks, and takes at most one step. Ends within seconds, whatever the mount does. */
  tick(signal: AbortSignal): Promise<void>;
  /** How long the loop should rest until the next tick, in ms. */
  restMs(): number;
  report(): MountReport;
  serving(): boolean;
  setMaintenance(on: boolean): void;
  /** A partner was told that an upload failed, as on an export that turned read-only: a write is tried soon. */
  writeFailed(): void;
}

export interface MountEdges extends Pick<Edges, 'exec' | 'log' | 'now' | 'monotonicMs' | 'random'> {
  readonly expectation: MountExpectation;
  /** The agent's own hidden command that runs the write probe; it is given the mount point. */
  readonly writeProbe: Argv;
  /** Tests look elsewhere. */
  readonly look?: (options: LookOptions) => Promise<Sight>;
  readonly maintenanceFlag?: string;
  readonly helperDirectories?: HelperDirectories;
}

/** A look at mountinfo costs next to nothing, so a lost mount is noticed within this, whatever the probes' period. */
const LOOK_MS = 1_000;

/** Watches the mount, refuses partners while it is not proven, and brings it back. */
export function createMountWatch(config: () => Config, hooks: MountHooks, edges: MountEdges): MountWatch {
  const { exec, log, monotonicMs, now } = edges;
  const mount = () => config().mount;
  const unit = () => mountUnitName(mount().path);
  const see = async (): Promise<Sight> => {
    const { path, file_system_id: fileSystemId } = mount();
    return await (edges.look ?? lookAtHost)({ path, fileSystemId, expectation: edges.expectation });
  };
  const prober = createProber({ exec, monotonicMs, writeProbe: edges.writeProbe });
  const evidence = createEvidence(mount, prober, monotonicMs);
  const serving = createServing(hooks, monotonicMs);
  const recovery = createRecovery(
    mount,
    {
      stopServing: () => serving.stop(),
      mountId: async () => mountIdOf(await see()),
      prepareMount: () => hooks.prepareMount(),
      cutOff: () => {
        wasCutOff = true;
      },
    },
    edges,
  );
  const leftovers = createLeftovers(edges, edges.helperDirectories);
  const helperWatchdog = createHelperWatchdog(edges, edges.helperDirectories?.state);
  const flag = createMaintenanceFlag(edges.maintenanceFlag ?? MAINTENANCE_FLAG, log);
  const activity = createActivity(log, PATIENCE_MS);

  let sight: Sight | undefined;
  let maintenance: Maintenance | undefined;
  /** `maintenance off` overrules a stopped unit, until the next mount. */
  let stopOverruled = false;
  /** When something was last seen mounted there, in ms since 1970. */
  let mountedAt: number | undefined;
  /** An attempt to mount was killed, and what it left is still there. */
  let wasCutOff = false;
  let words: HealthInWords = { health: 'recovering', detail: 'not looked at yet' };
  let since = now();

  const notice = (seen: Sight, lookedAt: number) => {
    // systemd stopped the partner sshd with the mount that it was bound to.
    if (sight !== undefined && mountIdOf(seen) !== mountIdOf(sight)) serving.lost();
    sight = seen;
    evidence.notice(seen);
    if (seen.kind === 'absent') return;
    mountedAt = lookedAt;
    stopOverruled = false;
    if (maintenance === 'unit-stopped') maintenance = undefined;
  };

  const decide = async (seen: Sight) => {
    const before = recovery.state();
    const { nextAttemptMs, failedAtMs } = before;
    const resting = nextAttemptMs !== undefined;
    const mounted = before.attempt.done.has('mount');
    await evidence.collect(seen, resting || mounted || before.waitingForProxy ? 'always' : 'until-verdict');
    const belief = evidence.belief();
    if (belief.verdict === 'none') {
      if (belief.count === 0) recovery.succeeded();
      await serve(seen);
      return;
    }
    const fault = faultOf(belief);
    if (fault === undefined) return;
    if (
      fault === 'absent' &&
      !resting &&
      !mounted &&
      !stopOverruled &&
      (await wasStoppedByHand(exec, unit(), mountedAt))
    ) {
      maintenance = 'unit-stopped';
      return;
    }
    if (resting && monotonicMs() < nextAttemptMs) {
      await activity.begin(lookAfterHelper(seen));
      return;
    }
    // What is mounted answers again: it is asked for a write before the next attempt takes it away.
    if (failedAtMs !== undefined && resting && evidence.isContested(failedAtMs)) return;
    await activity.begin(recovery.step(fault, seen));
  };

  const serve = async (seen: Sight) => {
    if (serving.isServing() === true) activity.forgetFailure();
    // Stopped by its journal's units, say, or killed: systemd restarts what fails, not what is stopped.
    if (serving.isServing() === true && hooks.sshdActive?.() === false) serving.lost();
    if (serving.isServing() === true) await activity.begin(lookAfterHelper(seen));
    else if (seen.kind === 'ours') await activity.begin(serving.start(seen.proof));
  };

  /** While partners are served, and between two attempts to bring the mount back: an outage of days leaves most. */
  const lookAfterHelper = async (seen: Sight) => {
    const { path } = mount();
    await helperWatchdog.look(path, seen.kind === 'ours' ? seen.port : undefined);
    if (wasCutOff) await leftovers.tidyCutOff(path);
    else await leftovers.tidy(path);
    wasCutOff = false;
  };

  const publish = () => {
    const { path, file_system_id: fileSystemId } = mount();
    const next = describeHealth({
      path,
      unit: unit(),
      fileSystemId,
      sight,
      belief: evidence.belief(),
      recovery: recovery.state(),
      serving: serving.isServing() === true,
      serveProblem: serving.problem(),
      maintenance,
      refused: !serving.needsStop(),
      probeProblem: evidence.problem(),
    });
    if (next.health !== words.health) {
      since = now();
      const level = WELL.has(next.health) ? 'info' : 'warn';
      log[level]({ ...next, was: words.health }, `the mount is ${next.health}: ${next.detail}`);
    }
    words = next;
  };

  return {
    tick: async (signal) => {
      if (signal.aborted) return;
      try {
        if (await flag.sync()) maintenance = 'operator';
        await activity.settle();
        if (activity.isUnderWay()) return;
        const lookedAt = now();
        const seen = await see();
        notice(seen, lookedAt);
        if (maintenance !== undefined) {
          if (serving.needsStop()) await activity.begin(serving.stop());
          return;
        }
        if (recovery.state().mounting) await recovery.followMounting(seen);
        if (wasCutOff) await activity.begin(lookAfterHelper(seen));
        else if (!recovery.state().mounting) await decide(seen);
      } finally {
        publish();
      }
    },
    restMs: () => {
      const calm = words.health === 'healthy' || words.health === 'maintenance' || words.health === 'failed';
      if (!calm || activity.isUnderWay() || evidence.isProbing()) return PATIENCE_MS;
      const { nextAttemptMs } = recovery.state();
      const untilAttempt =
        nextAttemptMs === undefined ? LOOK_MS : Math.max(PATIENCE_MS, nextAttemptMs - monotonicMs());
      return Math.min(LOOK_MS, mount().probe_seconds * 1000, untilAttempt);
    },
    report: () => {
      const { nextAttemptMs } = recovery.state();
      const { count, lastSeconds } = serving.recoveries();
      return {
        ...words,
        since,
        serving: serving.isServing() === true,
        refused: !serving.needsStop(),
        nextAttemptAt: nextAttemptMs === undefined ? null : Math.round(now() + nextAttemptMs - monotonicMs()),
        recoveries: count,
        lastRecoverySeconds: lastSeconds,
        probesStuck: prober.stuck(),
        helperProblem: helperWatchdog.problem() ?? null,
      };
    },
    serving: () => serving.isServing() === true,
    writeFailed: () => evidence.doubt(),
    setMaintenance: (on) => {
      flag.set(on);
      maintenance = on ? 'operator' : undefined;
      if (on) return;
      stopOverruled = true;
      evidence.forget();
      recovery.retryNow();
    },
  };
}

/** States that need nobody's attention. */
const WELL: ReadonlySet<Health> = new Set(['healthy', 'recovering', 'maintenance']);

function mountIdOf(sight: Sight): number | undefined {
  return sight.kind === 'absent' ? undefined : sight.mountId;
}
