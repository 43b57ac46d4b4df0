import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Edges } from '../os/edges.ts';
import { isUnitActive, killUnit, queueStart } from '../os/systemd.ts';
import { STATE_DIRECTORY, statePort } from './state-file.ts';

/** The helper's own watchdog, which starts a new tunnel on the same port within two seconds of the old one's death. */
export const HELPER_WATCHDOG = 'amazon-efs-mount-watchdog.service';

const EVERY_MS = 10_000;
/** It writes each living mount's state file every second; while it waits for a `df` of its own, for 30 s not. */
const FROZEN_MS = 90_000;

/** Whether the helper's watchdog works: without it a dead tunnel stays dead, and certificates expire after hours. */
export interface HelperWatchdog {
  /** Looks, at most every ten seconds, while something is mounted; starts it where it is dead or frozen. Never fails. */
  look(path: string, port: number): Promise<void>;
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

  const examine = async (path: string, port: number): Promise<string | undefined> => {
    if (!(await isUnitActive(exec, HELPER_WATCHDOG))) return `${HELPER_WATCHDOG} is not running`;
    const writtenMs = await lastWritten(stateDirectory, path, port);
    if (writtenMs === undefined || now() - writtenMs < FROZEN_MS) return undefined;
    return `${HELPER_WATCHDOG} has not looked at the mount for ${Math.round((now() - writtenMs) / 1000)} s`;
  };

  const revive = async (found: string) => {
    if (found !== problem) log.warn({ problem: found }, 'the mount helper’s watchdog is started again');
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
        if (found !== undefined) await revive(found);
        problem = found;
      } catch (cause) {
        log.warn({ err: cause }, 'the mount helper’s watchdog could not be looked at');
      }
    },
    problem: () => problem,
  };
}

async function lastWritten(directory: string, path: string, port: number): Promise<number | undefined> {
  const names: string[] = await readdir(directory).catch(() => []);
  const name = names.find((each) => statePort(each, path) === port);
  if (name === undefined) return undefined;
  return await stat(join(directory, name)).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}
