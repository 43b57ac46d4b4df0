import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../operation-error.ts';
import type { Edges } from '../os/edges.ts';
import { isUnitActive, killUnit, queueStart } from '../os/systemd.ts';
import { parseStateFile, STATE_DIRECTORY, statePort } from './state-file.ts';

/** The helper's own watchdog, which starts a new tunnel on the same port within two seconds of the old one's death. */
export const HELPER_WATCHDOG = 'amazon-efs-mount-watchdog.service';

const EVERY_MS = 10_000;
/** It writes each living mount's state file every second; while it waits for a `df` of its own, for 30 s not. */
const FROZEN_MS = 90_000;
/** It makes each mount's certificate anew once an hour, and one lasts for three: so old, there is time left to mend it. */
const CERTIFICATE_MS = 90 * 60_000;
/** What a start has not mended by then is tried again; one that is dead is started at each look. */
const PATIENCE_MS = 90_000;

/** Whether the helper's watchdog works: without it a dead tunnel stays dead, and certificates expire after hours. */
export interface HelperWatchdog {
  /**
   * Looks, at most every ten seconds; starts it where it is dead or frozen. Never fails.
   * @param port of the mount; undefined while there is none: then any state file of this path tells, since the watchdog
   * takes them away within a minute
   */
  look(path: string, port: number | undefined): Promise<void>;
  /** What is wrong with it, by the last look. */
  problem(): string | undefined;
}

type WatchdogEdges = Pick<Edges, 'exec' | 'log' | 'now' | 'monotonicMs'>;

/** @param stateDirectory tests have their own */
export function createHelperWatchdog(
  { exec, log, now, monotonicMs }: WatchdogEdges,
  stateDirectory: string = STATE_DIRECTORY,
): HelperWatchdog {
  let dueMs = 0;
  let problem: string | undefined;
  let revivedMs = -Infinity;
  let toldKind: Found['kind'] | undefined;
  /** Why it could not be looked at or started; told once. */
  let toldFailure: string | undefined;

  const examine = async (path: string, port: number | undefined): Promise<Found | undefined> => {
    if (!(await isUnitActive(exec, HELPER_WATCHDOG))) return { kind: 'dead', what: 'is not running' };
    const state = await oldestState(stateDirectory, path, port);
    if (state === undefined) return undefined;
    const silentMs = now() - state.writtenMs;
    if (silentMs >= FROZEN_MS) {
      const what = `has not looked at the mount for ${Math.round(silentMs / 1000)} s`;
      return { kind: 'frozen', what };
    }
    const ageMs = state.certificateMs === undefined ? 0 : now() - state.certificateMs;
    if (ageMs < CERTIFICATE_MS) return undefined;
    const what = `has not renewed the mount’s certificate for ${Math.round(ageMs / 60_000)} min`;
    return { kind: 'certificate', what };
  };

  const revive = async ({ kind }: Found) => {
    if (kind !== 'dead' && monotonicMs() < revivedMs + PATIENCE_MS) return;
    revivedMs = monotonicMs();
    // A frozen one does not take a polite stop. Its tunnels are not its main process, and live on.
    await killUnit(exec, HELPER_WATCHDOG, 'main').catch(() => {});
    await queueStart(exec, HELPER_WATCHDOG);
  };

  return {
    look: async (path, port) => {
      if (monotonicMs() < dueMs) return;
      dueMs = monotonicMs() + EVERY_MS;
      try {
        const found = await examine(path, port);
        problem = found === undefined ? undefined : `${HELPER_WATCHDOG} ${found.what}`;
        if (found !== undefined && found.kind !== toldKind) {
          log.warn({ problem }, 'the mount helper’s watchdog is started again');
        }
        toldKind = found?.kind;
        if (found !== undefined) await revive(found);
        toldFailure = undefined;
      } catch (cause) {
        const failure = messageOf(cause);
        if (failure === toldFailure) return;
        toldFailure = failure;
        log.warn(
          { err: cause, problem },
          'the mount helper’s watchdog could not be looked at, or not be started',
        );
      }
    },
    problem: () => problem,
  };
}

interface Found {
  readonly kind: 'dead' | 'frozen' | 'certificate';
  readonly what: string;
}

interface State {
  readonly writtenMs: number;
  readonly certificateMs: number | undefined;
}

/** @returns when it last wrote the state file of a port, in ms since 1970; undefined where there is none */
export async function lastTurn(directory: string, path: string, port: number): Promise<number | undefined> {
  return (await oldestState(directory, path, port))?.writtenMs;
}

/** The state file of a port, or of all at this path the one that was written longest ago. */
async function oldestState(
  directory: string,
  path: string,
  port: number | undefined,
): Promise<State | undefined> {
  const names: string[] = await readdir(directory).catch(() => []);
  const states: State[] = [];
  for (const name of names) {
    const itsPort = statePort(name, path);
    if (itsPort === undefined || (port !== undefined && itsPort !== port)) continue;
    const file = join(directory, name);
    try {
      const [{ mtimeMs }, text] = await Promise.all([stat(file), readFile(file, 'utf8')]);
      states.push({ writtenMs: mtimeMs, certificateMs: parseStateFile(name, text, path)?.certificateMs });
    } catch {
      // Gone since.
    }
  }
  return states.toSorted((one, other) => one.writtenMs - other.writtenMs)[0];
}
