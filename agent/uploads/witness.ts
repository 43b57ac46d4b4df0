import { lstatSync, statSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join, relative } from 'node:path';
import { setInterval as every } from 'node:timers';
import { watch } from 'chokidar';

/** What the witness says, one JSON object a line on its standard output. */
export type WitnessReport =
  | { readonly kind: 'arrival'; readonly path: string; readonly size: number; readonly at: number }
  | { readonly kind: 'alive'; readonly ready: boolean; readonly residentBytes: number }
  | { readonly kind: 'failed'; readonly problem: string };

export const HEARTBEAT_MS = 2_000;
/** A file that did not change for so long has arrived. */
export const STABLE_MS = 2_000;
/**
 * chokidar keeps an entry for every file; a tree too large for this is not watched at all, and that is told. With the
 * agent's own 110 MB and journalctl it stays below the unit's MemoryHigh, past which the kernel slows all of them.
 */
const MOST_BYTES = 200 * 1024 * 1024;
export const EXIT_TOO_LARGE = 3;
/** Another file system is mounted there by now, or none: what was watched is gone. */
export const EXIT_REMOUNTED = 4;
/** Root's own directory at the top of the mount; no user's name begins with a dot. */
const OWN_DIRECTORY = '.s3files-sftp';
/** `<user>/<directory>/<one level>/<file>`: each level costs watches, and the log sees what is below. */
const DEPTH = 3;

/**
 * The hidden command `witness DIRECTORY`: watches the partners' directories in a process of its own, since a watch on
 * a hung mount blocks the whole process, and reports what arrives. Files that are there already are no arrivals.
 * @returns the exit status, when standard input has ended: its parent is gone then
 */
export async function runWitness(args: readonly string[]): Promise<number> {
  const [directory] = args;
  if (directory === undefined) return 64;
  stepBack();
  let ready = false;
  const watched = identityOf(directory);
  const watcher = watch(directory, {
    depth: DEPTH,
    // A partner's link to /usr/share would be thousands of watches, and atomic drops names such as `*~`.
    followSymlinks: false,
    // What the agent itself keeps on the mount; no partner can have that name.
    ignored: (path) => path === join(directory, OWN_DIRECTORY),
    atomic: false,
    ignoreInitial: true,
    alwaysStat: true,
    ignorePermissionErrors: true,
    awaitWriteFinish: { stabilityThreshold: STABLE_MS, pollInterval: 500 },
  });
  const arrival = (path: string, stats?: { size: number; isFile(): boolean }) => {
    if (stats?.isFile() === false || !isReal(directory, path)) return;
    say({ kind: 'arrival', path: relative(directory, path), size: stats?.size ?? 0, at: Date.now() });
  };
  watcher.on('add', arrival).on('change', (path, stats) => {
    if (stats === undefined || isWritten(stats)) arrival(path, stats);
  });
  watcher.on('ready', () => {
    ready = true;
  });
  watcher.on('error', (cause) => {
    say({ kind: 'failed', problem: cause instanceof Error ? cause.message : String(cause) });
  });
  return await new Promise((resolve) => {
    const timer = every(() => {
      // Hangs where the mount does, and then the heartbeat is missed.
      if (identityOf(directory) !== watched) return end(EXIT_REMOUNTED);
      const residentBytes = process.memoryUsage.rss();
      say({ kind: 'alive', ready, residentBytes });
      if (residentBytes > MOST_BYTES) end(EXIT_TOO_LARGE);
    }, HEARTBEAT_MS);
    const end = (status: number) => {
      clearInterval(timer);
      void watcher.close();
      resolve(status);
      // A watch on a hung mount may keep the process from ending by itself.
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), 1_000).unref();
    };
    process.stdin.resume();
    process.stdin.once('end', () => end(0));
  });
}

/**
 * Whether a file that changed was written, rather than given another mode, owner or time: writing sets both times, the
 * others the inode's alone, and a time that is set is seldom now.
 */
export function isWritten({
  mtimeMs,
  ctimeMs,
}: {
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}): boolean {
  return Math.abs(ctimeMs - mtimeMs) <= STABLE_MS;
}

/**
 * Each write of a partner's is an event here, and a quarter of a core while data pours in: time that sshd needs more.
 * Where the kernel groups processes by session (sched(7), autogroup), nice alone counts within the session only.
 */
function stepBack(): void {
  setPriority(constants.priority.PRIORITY_LOW);
  try {
    writeFileSync('/proc/self/autogroup', String(constants.priority.PRIORITY_LOW));
  } catch {
    // This kernel has no such groups.
  }
}

/** Which file system a directory is the root of, or why that can't be known. */
function identityOf(directory: string): string {
  try {
    const { dev, ino } = statSync(directory);
    return `${dev}:${ino}`;
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}

/**
 * Whether a path leads to its file through directories only. chokidar follows no link that it knows of, but whoever can
 * write the bucket can put one in a directory's place while it looks, and the host's own names are nobody's arrivals.
 */
export function isReal(directory: string, path: string): boolean {
  let at = directory;
  try {
    for (const name of relative(directory, path).split('/')) {
      if (name === '..' || name === '') return false;
      at = join(at, name);
      if (lstatSync(at).isSymbolicLink()) return false;
    }
    return true;
  } catch {
    // Gone already: where it was can't be told any more.
    return false;
  }
}

function say(report: WitnessReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
