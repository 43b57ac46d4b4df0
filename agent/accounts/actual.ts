import { lstatSync, readdirSync, readFileSync, type Stats } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { codeOf, OperationError } from '../operation-error.ts';
import type { PasswordState } from '../os/passwd.ts';
import { createAccountFilesReader } from './account-files.ts';
import { type KeyFile, keyFileOf } from './key-file.ts';
import type { AccountPaths } from './paths.ts';

export interface ActualAccount {
  readonly uid: number;
  readonly gid: number;
  readonly gecos: string;
  readonly home: string;
  readonly shell: string;
  /** Groups that list the account as a member. */
  readonly groups: readonly string[];
  readonly password: PasswordState | 'missing';
  readonly hasExpiry: boolean;
}

/** What the host's account files say. */
export interface HostAccounts {
  readonly accounts: ReadonlyMap<string, ActualAccount>;
  /** Name by uid, the first one where several share it. */
  readonly uids: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<string, number>;
  readonly gids: ReadonlyMap<number, string>;
}

/** What the host has: its accounts, and the files in the key directory. */
export interface Actual extends HostAccounts {
  readonly keyFiles: ReadonlyMap<string, KeyFile>;
}

export type ReadActual = () => Promise<Actual>;

/** A temporary file of writeFileDurable that a crash left; no user name begins with a dot. */
const LEFTOVER = /^\.[0-9a-f]{16}\.tmp$/;
/** After this many files the other loops get their turn: every 2 to 10 ms. */
const SLICE = 500;
/** Fifty keys of the longest kind are far smaller: this one is not ours. */
const LARGEST_BYTES = 1_000_000;

interface StampedKeyFile extends KeyFile {
  readonly stamp: Pick<Stats, 'ino' | 'ctimeMs' | 'mtimeMs' | 'size' | 'mode'>;
}

/**
 * Reads the host's side. Key files are read again only when their inode, times, size, owner or mode have changed:
 * at 10,000 users that is one lstat each, 40 ms in all.
 */
export function createActualReader(paths: AccountPaths): ReadActual {
  const readAccountFiles = createAccountFilesReader(paths);
  let cache: ReadonlyMap<string, StampedKeyFile> = new Map();

  const readKeyFiles = async (): Promise<ReadonlyMap<string, KeyFile>> => {
    const fresh = new Map<string, StampedKeyFile>();
    for (const [index, name] of namesIn(paths.keys).entries()) {
      if (index % SLICE === SLICE - 1) await breathe();
      const path = join(paths.keys, name);
      if (LEFTOVER.test(name)) await unlink(path);
      const at = lstatSync(path, { throwIfNoEntry: false });
      if (!at) continue;
      const known = cache.get(name);
      if (known && isUnchanged(known, at)) {
        fresh.set(name, known);
        continue;
      }
      // Small files on the host's own disk: 15 µs in place, 500 µs by way of the thread pool.
      const text = at.isFile() && at.size < LARGEST_BYTES ? readFileSync(path, 'utf8') : undefined;
      const { ino, ctimeMs, mtimeMs, size, uid, gid, mode } = at;
      const stamp = { ino, ctimeMs, mtimeMs, size, mode };
      fresh.set(name, { stamp, ...keyFileOf(text, { uid, gid, mode: mode & 0o7777 }) });
    }
    cache = fresh;
    return fresh;
  };

  return async () => {
    try {
      const accounts = await readAccountFiles();
      return { ...accounts, keyFiles: await readKeyFiles() };
    } catch (cause) {
      const hint =
        codeOf(cause) === 'EACCES' ? 'the agent needs CAP_DAC_READ_SEARCH to read shadow' : undefined;
      throw new OperationError({ op: 'read', target: 'accounts of the host', ...(hint && { hint }) }, cause);
    }
  };
}

/** None where there is no directory: the pass makes it (key-directory.ts), and its plan the files. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') return [];
    throw cause;
  }
}

function isUnchanged({ stamp, uid, gid }: StampedKeyFile, at: Stats): boolean {
  return (
    stamp.ino === at.ino &&
    stamp.ctimeMs === at.ctimeMs &&
    stamp.mtimeMs === at.mtimeMs &&
    stamp.size === at.size &&
    stamp.mode === at.mode &&
    uid === at.uid &&
    gid === at.gid
  );
}
