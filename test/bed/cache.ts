import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, unlink, utimes } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { sleep } from './command.ts';

/** Where built things are kept between runs: outside the repository, and safe to delete. */
export const CACHE =
  process.env.S3FILES_SFTP_BED_CACHE ||
  join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 's3files-sftp');

const UNUSED_FOR_MS = 7 * 24 * 3600 * 1000;

export interface Recipe {
  /** What it is, as in the directory's name: `root`. */
  readonly name: string;
  /** Whatever decides the result; another ingredient is another directory. */
  readonly ingredients: readonly string[];
  /** Said before building, with how long it takes. */
  readonly announcement: string;
  /** Fills the directory. */
  readonly build: (directory: string) => Promise<void>;
}

/**
 * The directory with a recipe's result, built first where it isn't there. One builder at a time; what is found in
 * the cache is always whole, since it is built beside it and renamed.
 */
export async function cached(recipe: Recipe): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(recipe.ingredients)).digest('hex').slice(0, 12);
  const path = join(CACHE, `${recipe.name}-${hash}`);
  if (await exists(path)) {
    await utimes(path, new Date(), new Date());
    return path;
  }
  await mkdir(CACHE, { recursive: true });
  const unlock = await lock(`${path}.lock`);
  try {
    if (await exists(path)) return path;
    const started = performance.now();
    say(recipe.announcement);
    const unfinished = `${path}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished);
    await recipe.build(unfinished);
    await rename(unfinished, path);
    await prune(recipe.name);
    say(`  done in ${((performance.now() - started) / 1000).toFixed(1)} s; kept in ${path}`);
    return path;
  } finally {
    await unlock();
  }
}

/** Removes results of earlier recipes that no run has used for a while; a younger one may be in use right now. */
async function prune(name: string): Promise<void> {
  for (const entry of await readdir(CACHE)) {
    if (!new RegExp(`^${name}-[0-9a-f]{12}$`).test(entry)) continue;
    const { mtimeMs } = await stat(join(CACHE, entry));
    if (Date.now() - mtimeMs > UNUSED_FOR_MS) await rm(join(CACHE, entry), { recursive: true, force: true });
  }
}

/** Tells whoever waits what is going on. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

export async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

/** Takes a lock file that holds its owner's pid; one whose owner is dead is taken over. */
async function lock(path: string): Promise<() => Promise<void>> {
  for (let told = false; ; ) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(String(process.pid));
      await file.close();
      return async () => await unlink(path);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const owner = Number(await readFile(path, 'utf8').catch(() => ''));
    if (owner > 0 && !(await exists(`/proc/${owner}`))) {
      await unlink(path).catch(() => {});
      continue;
    }
    if (!told) say(`another run (pid ${owner || '?'}) is building this; waiting for it`);
    told = true;
    await sleep(500);
  }
}
