import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Edges } from '../os/edges.ts';
import { execOk } from '../os/exec-ok.ts';
import { transientArgv } from '../os/transient.ts';
import { type Entry, leftBehind } from './left-behind.ts';
import { parseMountinfo } from './mountinfo.ts';
import { endProxy } from './rungs.ts';
import { LOG_DIRECTORY, parseStateFile, STATE_DIRECTORY } from './state-file.ts';

const EVERY_MS = 60_000;
const DEADLINE_SECONDS = 10;
/** A command line is bounded; the next round takes the rest. */
const FILES_AT_A_TIME = 200;

type LeftoverEdges = Pick<Edges, 'exec' | 'log' | 'now' | 'monotonicMs'>;

/** Takes away what the helper leaves behind for good: logs of ports long dead, and attempts that were cut off. */
export interface Leftovers {
  /** Looks, at most once a minute. Never fails: nothing depends on it, and the log says what went wrong. */
  tidy(path: string): Promise<void>;
  /** At once: an attempt was just killed, and the next must not begin before this has ended. Never fails either. */
  tidyCutOff(path: string): Promise<void>;
}

/** Where the helper's files are. */
export interface HelperDirectories {
  readonly state: string;
  readonly logs: string;
}

const DIRECTORIES: HelperDirectories = { state: STATE_DIRECTORY, logs: LOG_DIRECTORY };

/** @param directories tests have their own */
export function createLeftovers(
  { exec, log, now, monotonicMs }: LeftoverEdges,
  directories: HelperDirectories = DIRECTORIES,
): Leftovers {
  let dueMs = 0;

  const remove = async (path: string, noneUnderWay: boolean) => {
    const found = leftBehind({
      path,
      now: now(),
      noneUnderWay,
      mountedPorts: portsIn(await readFile('/proc/1/mountinfo', 'utf8')),
      state: await entriesOf(directories.state),
      logs: await entriesOf(directories.logs),
    });
    for (const name of found.attempts) await endProxyOf(name, path);
    const files = [
      ...found.state.map((name) => join(directories.state, name)),
      ...found.logs.map((name) => join(directories.logs, name)),
    ].slice(0, FILES_AT_A_TIME);
    if (files.length === 0) return;
    // The agent's sandbox has neither directory writable.
    const argv = transientArgv(['rm', '-r', '-f', '--', ...files], DEADLINE_SECONDS);
    await execOk(exec, argv, { timeoutMs: (DEADLINE_SECONDS + 3) * 1000 });
    log.info({ files: files.length }, 'removed what the mount helper left behind');
  };

  /** An attempt that was killed has nobody to end its tunnel: the helper's watchdog does not look at it. */
  const endProxyOf = async (name: string, path: string) => {
    const text = await readFile(join(directories.state, name), 'utf8').catch(() => '');
    const pid = parseStateFile(name.slice(1), text, path)?.proxyPid;
    // Gone, or another process by now: then it is left alone.
    if (pid !== undefined) await endProxy(exec, pid).catch(() => {});
  };

  const tidy = async (path: string, noneUnderWay: boolean) => {
    dueMs = monotonicMs() + EVERY_MS;
    await remove(path, noneUnderWay).catch((cause: unknown) =>
      log.warn({ err: cause }, 'what the mount helper left behind could not be removed'),
    );
  };

  return {
    tidy: async (path) => {
      if (monotonicMs() >= dueMs) await tidy(path, false);
    },
    tidyCutOff: (path) => tidy(path, true),
  };
}

function portsIn(mountinfo: string): Set<number> {
  const options = parseMountinfo(mountinfo).flatMap(({ source, superOptions }) => [
    ...source.split(','),
    ...superOptions,
  ]);
  return new Set(options.flatMap((option) => (/^port=\d+$/.test(option) ? [Number(option.slice(5))] : [])));
}

async function entriesOf(directory: string): Promise<Entry[]> {
  const names: string[] = await readdir(directory).catch(() => []);
  const entries = await Promise.all(
    names.map(async (name) =>
      stat(join(directory, name)).then(
        ({ mtimeMs }) => [{ name, mtimeMs }],
        () => [],
      ),
    ),
  );
  return entries.flat();
}
