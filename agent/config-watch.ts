import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { watch } from 'chokidar';
import { type Config, parseConfig } from './config.ts';
import type { Log } from './log.ts';
import { OperationError } from './operation-error.ts';

/** Sections that the running daemon can't take over: they are bound into units that partners' sessions depend on. */
const NEEDS_RESTART = ['aws', 'mount'] as const satisfies ReadonlyArray<keyof Config>;

export interface ConfigWatch {
  /** The configuration in force. */
  current(): Config;
  /** Why the file as it stands is not in force, or null. */
  problem(): string | null;
  /** Sections of the file that take effect only after a restart. */
  needsRestart(): readonly string[];
  close(): Promise<void>;
}

/** An editor writes a file in several steps; this long without another one, it is done. */
const SETTLE = { stabilityThreshold: 200, pollInterval: 50 } as const;

/** @throws ConfigError for a file that is no configuration, OperationError for one that can't be read */
export async function readConfig(path: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new OperationError(
      { op: 'read configuration', target: path, hint: `write it; see s3files-sftp(8)` },
      cause,
    );
  }
  return parseConfig(text, path);
}

/**
 * Follows the configuration file. A bad file never takes effect: the configuration in force stays, the fault is
 * logged once and told by {@link ConfigWatch.problem} until the file is mended.
 * @param initial the configuration that the daemon started with
 * @param changed called after a new configuration has come into force
 */
export function watchConfig(
  path: string,
  initial: Config,
  changed: (config: Config) => void,
  log: Log,
): ConfigWatch {
  let current = initial;
  let problem: string | null = null;
  let needsRestart: readonly string[] = [];

  const reload = async () => {
    try {
      const read = await readConfig(path);
      if (problem !== null) log.info({ path }, 'the configuration is valid again');
      problem = null;
      needsRestart = NEEDS_RESTART.filter((section) => !same(read[section], initial[section]));
      const next = { ...read, aws: initial.aws, mount: initial.mount };
      if (needsRestart.length > 0)
        log.warn({ path, sections: needsRestart }, 'these changes wait for a restart');
      if (same(next, current)) return;
      current = Object.freeze(next);
      log.info({ path }, 'the changed configuration is in force');
      changed(current);
    } catch (err) {
      const hint = err instanceof OperationError ? err.hint : undefined;
      problem = err instanceof Error ? err.message : String(err);
      log.error({ err, hint }, 'the changed configuration is refused; the old one stays in force');
    }
  };

  // The directory is watched, not the file: editors and `mv` replace the file, and the watch would stay on the old one.
  const watcher = watch(dirname(path), {
    depth: 0,
    followSymlinks: false,
    ignoreInitial: true,
    atomic: false,
    awaitWriteFinish: SETTLE,
    ignored: (each, stats) => stats?.isFile() === true && basename(each) !== basename(path),
  });
  let reloading = Promise.resolve();
  const queue = () => {
    reloading = reloading.then(reload);
  };
  watcher.on('add', queue).on('change', queue).on('unlink', queue);
  // What changed between the first reading and now would go unseen.
  watcher.once('ready', queue);
  watcher.on('error', (err) =>
    log.error({ err }, 'changes of the configuration go unnoticed until a restart'),
  );

  return {
    current: () => current,
    problem: () => problem,
    needsRestart: () => needsRestart,
    close: async () => {
      await watcher.close();
      await reloading;
    },
  };
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
