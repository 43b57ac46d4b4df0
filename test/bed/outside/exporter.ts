import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { send } from './bucket-request.ts';
import type { ExporterOptions } from './protocol.ts';

/**
 * Stands in for S3 Files' export: reads the backing directory, never the mount, and puts a file into the bucket in
 * one PUT once it has not changed for a while (60 s on the real one); a delete marker when it is gone. A rename is
 * a new object and a delete marker; chmod and chown put a new version. Like the real one it knows nothing of open
 * files: a file that is quiet is exported, whole or not. Links are not followed and not exported.
 */
export interface Exporter {
  pause(paused: boolean): void;
  /** Names of keys that are never exported, as after an export error that is not retried. */
  withhold(keys: readonly string[]): void;
  /** Whether a look that began after this call found everything exported. */
  isQuiet(): Promise<boolean>;
  setQuietMs(quietMs: number): void;
  /** Puts that failed; they are tried again. */
  failures(): readonly string[];
}

interface Known {
  /** Changes with every write, chmod, chown and rename. */
  signature: string;
  changedAt: number;
  exported: string | undefined;
}

const LOOK_EVERY_MS = 150;
/** The real one does 800 files/s; a handful at a time keeps moto, one Python process, busy. */
const PARALLEL_PUTS = 4;

export function startExporter({ directory, bucket, prefix, quietMs: initial }: ExporterOptions): Exporter {
  let quietMs = initial;
  let paused = false;
  let withheld: ReadonlySet<string> = new Set();
  const known = new Map<string, Known>();
  const failures: string[] = [];
  let looks = 0;
  let quiet = false;

  const look = async (): Promise<void> => {
    const found = await filesBelow(directory);
    const now = Date.now();
    for (const [key, stats] of found) {
      const signature = signatureOf(stats);
      const before = known.get(key);
      if (before === undefined) known.set(key, { signature, changedAt: now, exported: undefined });
      else if (before.signature !== signature) Object.assign(before, { signature, changedAt: now });
    }
    const gone = [...known.keys()].filter((key) => !found.has(key));
    const pending = [...known].filter(
      ([key, each]) => each.exported !== each.signature && !withheld.has(key),
    );
    quiet = gone.length === 0 && pending.length === 0;
    if (paused) return;
    for (const key of gone) {
      if (known.get(key)?.exported !== undefined) await send('DELETE', `/${bucket}/${encode(prefix + key)}`);
      known.delete(key);
    }
    const due = pending.filter(([, { changedAt }]) => now - changedAt >= quietMs);
    const next = due.values();
    await Promise.all(Array.from({ length: PARALLEL_PUTS }, async () => await exportAll(next)));
  };
  const exportAll = async (due: Iterable<[string, Known]>): Promise<void> => {
    for (const [key, file] of due) {
      const { signature } = file;
      try {
        const path = join(directory, key);
        const { size } = await lstat(path);
        await send('PUT', `/${bucket}/${encode(prefix + key)}`, { path, size });
        file.exported = signature;
      } catch (error) {
        failures.push(`${key}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };
  const run = async (): Promise<never> => {
    for (;;) {
      const started = performance.now();
      await look().catch((error: unknown) => failures.push(`look: ${String(error)}`));
      looks += 1;
      // A large tree is looked at less often, so that looking stays a small part of the time.
      const took = performance.now() - started;
      await new Promise((resolve) => setTimeout(resolve, Math.max(LOOK_EVERY_MS, took)));
    }
  };
  void run();

  return {
    pause: (on) => {
      paused = on;
    },
    withhold: (keys) => {
      withheld = new Set(keys);
    },
    setQuietMs: (ms) => {
      quietMs = ms;
    },
    failures: () => failures,
    isQuiet: async () => {
      // The look that is under way may have missed what the caller has just done; the one after it has not.
      const enough = looks + 2;
      while (looks < enough) await new Promise((resolve) => setTimeout(resolve, 20));
      return quiet;
    },
  };
}

async function filesBelow(root: string): Promise<Map<string, Stats>> {
  const found = new Map<string, Stats>();
  const visit = async (relative: string): Promise<void> => {
    const entries = await readdir(join(root, relative), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const key = relative === '' ? entry.name : `${relative}/${entry.name}`;
      if (entry.isDirectory()) await visit(key);
      else if (entry.isFile()) {
        const stats = await lstat(join(root, key)).catch(() => undefined);
        if (stats?.isFile()) found.set(key, stats);
      }
    }
  };
  await visit('');
  return found;
}

function signatureOf({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

function encode(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/');
}
