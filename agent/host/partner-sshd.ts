import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';
import { messageOf, OperationError } from '../operation-error.ts';
import type { Edges } from '../os/edges.ts';
import { createInTurn } from '../os/in-turn.ts';
import { reloadUnit, showUnit, startUnit, stopUnit } from '../os/systemd.ts';
import { createChrootLogs } from './chroot-log.ts';
import { createMountProof } from './mount-proof.ts';
import { ensureMountUnit } from './mount-unit.ts';
import { ensureMountpoint } from './mountpoint.ts';
import { HOST_PATHS, type HostPaths, SSHD_UNIT } from './paths.ts';
import { createSshdFiles } from './sshd-unit.ts';

/** The unit's TimeoutStartSec, and twice its TimeoutStopSec (SIGTERM, then SIGKILL), with some room. */
const START_MS = 25_000;
const STOP_MS = 10_000;
/** PID 1 is asked this often; in between, the sshd's process is looked for, which costs nothing. */
const ASK_MS = 5_000;
const REMOVE_MS = 1_000;

/** The partners' sshd and what it stands on. Its unit outlives the agent. */
export interface PartnerSshd {
  /** Renders the mount unit, and makes the directory below the mount ready. Only while nothing is mounted there. */
  prepareMount(): Promise<void>;
  /**
   * Starts the sshd with the newest configuration. One that runs on this mount goes on; one on another is ended.
   * @param proof of the mount that partners may be served on @throws OperationError
   */
  start(proof: string): Promise<void>;
  /** Stops the sshd and ends its sessions. @throws OperationError */
  stop(): Promise<void>;
  /** Tells it all users whose chroot exists, so that their sessions are logged. @throws OperationError */
  setChroots(users: readonly string[]): Promise<void>;
  /** The configuration changed; the next refresh renders it. */
  configChanged(): void;
  /** The host keys changed; the next refresh has them read. */
  hostKeysChanged(): void;
  /** Renders what changed, mends the log socket, and looks whether the sshd runs. @throws OperationError */
  refresh(): Promise<void>;
  /** Puts everything in place that sessions' lines need to get out of their chroots. @throws OperationError */
  arrangeLogs(): Promise<void>;
  /** Whether the sshd ran at the last refresh. */
  active(): boolean;
  /** Its process, or '0': another one may have other binaries, and another namespace. */
  mainPid(): string;
}

type SshdEdges = Pick<Edges, 'exec' | 'log' | 'monotonicMs' | 'signal'>;

export function createPartnerSshd(
  config: () => Config,
  edges: SshdEdges,
  paths: HostPaths = HOST_PATHS,
  /** Told when sessions could not log for a moment. */
  logReplaced?: () => void,
): PartnerSshd {
  const { exec, log, monotonicMs, signal } = edges;
  const files = createSshdFiles(paths, edges);
  const chroots = createChrootLogs(paths.runtime, edges);
  const mountProof = createMountProof(paths.runtime);
  let changed = true;
  let keysChanged = false;
  /** What kept it from being configured, so that it is logged once and not each second. */
  let toldProblem: string | undefined;
  let active = false;
  let mainPid = '0';
  let askDueMs = 0;
  let mutableReported = false;
  /** A start that was asked for before a stop must not outlast it. */
  let stops = 0;

  /** Start and refresh come from different loops, and must not cross. */
  const inTurn = createInTurn();

  const ask = async () => {
    const { ActiveState, MainPID } = await showUnit(exec, SSHD_UNIT, ['ActiveState', 'MainPID']);
    active = ActiveState === 'active' || ActiveState === 'reloading';
    mainPid = MainPID;
    askDueMs = monotonicMs() + ASK_MS;
  };

  const render = async () => {
    if (!changed) return;
    const reload = (await files.render(config())) || keysChanged;
    changed = false;
    keysChanged = false;
    toldProblem = undefined;
    if (!reload) return;
    await ask();
    if (!active) return;
    await reloadUnit(exec, SSHD_UNIT, STOP_MS);
    log.info('the partner sshd reads its new configuration; sessions go on');
  };

  return {
    prepareMount: async () => {
      await ensureMountUnit(config().mount, paths.units, exec);
      const fault = await ensureMountpoint(config().mount.path, exec);
      if (fault === undefined || mutableReported) return;
      mutableReported = true;
      const path = config().mount.path;
      log.warn({ path, fault }, 'the directory below the mount can’t be made immutable on this file system');
    },
    start: (proof) => {
      const stopsBefore = stops;
      return inTurn(async () => {
        try {
          await render();
        } catch (cause) {
          // Partners are better served by the old configuration than not at all.
          if (!(await files.exist())) throw cause;
          const hint = cause instanceof OperationError ? cause.hint : undefined;
          log.error({ err: cause, hint }, 'the partner sshd starts with its old configuration');
        }
        // An agent that ends watches the mount no longer; one that starts anew proves it first.
        if (stops !== stopsBefore || signal.aborted) throw stoppedMeanwhile();
        // systemd may have missed that the mount went and came, and with that to end the sshd of the old one.
        if (await mountProof.write(proof)) await stopUnit(exec, SSHD_UNIT, STOP_MS);
        if (stops === stopsBefore) await startUnit(exec, SSHD_UNIT, START_MS);
        if (stops !== stopsBefore) {
          await mountProof.remove();
          await stopUnit(exec, SSHD_UNIT, STOP_MS);
          throw stoppedMeanwhile();
        }
        await chroots.bindMissing(config().mount.path);
        await ask();
      });
    },
    stop: async () => {
      // At once: what is in turn may be waiting for the very mount whose partners are to be refused.
      stops += 1;
      // First, so that nothing starts it again; but above all it is stopped.
      const removed = mountProof.remove().catch((cause: unknown) => {
        log.error({ err: cause }, 'the proof of the mount could not be removed');
      });
      await Promise.race([removed, sleep(REMOVE_MS, undefined, { ref: false })]);
      await stopUnit(exec, SSHD_UNIT, STOP_MS);
      active = false;
      mainPid = '0';
    },
    setChroots: (users) => inTurn(() => chroots.set(users, config().mount.path)),
    configChanged: () => {
      changed = true;
    },
    hostKeysChanged: () => {
      changed = true;
      keysChanged = true;
    },
    refresh: () =>
      inTurn(async () => {
        try {
          await render();
        } catch (cause) {
          // A refused configuration is refused until it changes; anything else is worth another try.
          if (await files.exist()) changed = false;
          const problem = messageOf(cause);
          const hint = cause instanceof OperationError ? cause.hint : undefined;
          if (problem !== toldProblem)
            log.error({ err: cause, hint }, `the partner sshd’s configuration: ${problem}`);
          toldProblem = problem;
        }
        if (await chroots.refresh()) {
          log.warn('journald made a new log socket; every chroot has it now');
          logReplaced?.();
        }
        if (active && !(await isAlive(mainPid))) active = false;
        if (!active || monotonicMs() >= askDueMs) await ask();
      }),
    arrangeLogs: () =>
      inTurn(async () => {
        await chroots.arrange();
        await chroots.refresh();
        await chroots.bindMissing(config().mount.path);
      }),
    active: () => active,
    mainPid: () => mainPid,
  };
}

function stoppedMeanwhile(): OperationError {
  return new OperationError({ op: 'start', target: SSHD_UNIT }, 'it was told to stop meanwhile');
}

async function isAlive(pid: string): Promise<boolean> {
  return await stat(`/proc/${pid}`).then(
    () => true,
    () => false,
  );
}
