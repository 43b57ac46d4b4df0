import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { codeOf, OperationError } from '../operation-error.ts';
import { type PasswordState, parseGroup, parsePasswd, parseShadow } from '../os/passwd.ts';
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

export interface KeyFile {
  /** undefined where it is no regular file. */
  readonly content: string | undefined;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
}

/** What the host has, as read from its account files and the key directory. */
export interface Actual {
  readonly accounts: ReadonlyMap<string, ActualAccount>;
  /** Name by uid, the first one where several share it. */
  readonly uids: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<string, number>;
  readonly gids: ReadonlyMap<number, string>;
  readonly keyFiles: ReadonlyMap<string, KeyFile>;
}

export type ReadActual = () => Promise<Actual>;

/** A temporary file of writeFileDurable that a crash left; no user name begins with a dot. */
const LEFTOVER = /^\.[0-9a-f]{16}\.tmp$/;
/** After this many files the other loops get their turn: every 2 to 10 ms. */
const SLICE = 500;
/** Fifty keys of the longest kind are far smaller: this one is not ours. */
const LARGEST_BYTES = 1_000_000;

/**
 * Reads the host's side. Key files are read again only when their inode, times, size, owner or mode have changed:
 * at 10,000 users that is one lstat each, 40 ms in all.
 */
export function createActualReader(paths: AccountPaths): ReadActual {
  let cache = new Map<string, { stamp: string; file: KeyFile }>();

  const readKeyFiles = async (): Promise<Map<string, KeyFile>> => {
    const fresh: typeof cache = new Map();
    for (const [index, name] of readdirSync(paths.keys).entries()) {
      if (index % SLICE === SLICE - 1) await breathe();
      const path = join(paths.keys, name);
      if (LEFTOVER.test(name)) await unlink(path);
      const at = lstatSync(path, { throwIfNoEntry: false });
      if (!at) continue;
      const stamp = [at.ino, at.ctimeMs, at.mtimeMs, at.size, at.mode, at.uid, at.gid].join();
      const known = cache.get(name);
      // Small files on the host's own disk: 15 µs in place, 500 µs by way of the thread pool.
      const content = () => (at.isFile() && at.size < LARGEST_BYTES ? readFileSync(path, 'utf8') : undefined);
      const { uid, gid } = at;
      const file =
        known?.stamp === stamp ? known.file : { content: content(), uid, gid, mode: at.mode & 0o7777 };
      fresh.set(name, { stamp, file });
    }
    cache = fresh;
    return new Map([...fresh].map(([name, { file }]) => [name, file]));
  };

  return async () => {
    try {
      const [passwd, group, shadow] = await Promise.all(
        [paths.passwd, paths.group, paths.shadow].map((path) => readFile(path, 'utf8')),
      );
      const keyFiles = await readKeyFiles();
      return { ...readAccounts(passwd ?? '', group ?? '', shadow ?? ''), keyFiles };
    } catch (cause) {
      const hint =
        codeOf(cause) === 'EACCES' ? 'the agent needs CAP_DAC_READ_SEARCH to read shadow' : undefined;
      throw new OperationError({ op: 'read', target: 'accounts of the host', ...(hint && { hint }) }, cause);
    }
  };
}

/** Joins the three account files (their text) by name. */
export function readAccounts(passwd: string, group: string, shadow: string): Omit<Actual, 'keyFiles'> {
  const groups = parseGroup(group);
  const memberships = new Map<string, string[]>();
  for (const { name, members } of groups) {
    for (const member of members) memberships.set(member, [...(memberships.get(member) ?? []), name]);
  }
  const passwords = new Map(parseShadow(shadow).map((entry) => [entry.name, entry]));
  const accounts = new Map<string, ActualAccount>();
  const uids = new Map<number, string>();
  for (const { name, uid, gid, gecos, home, shell } of parsePasswd(passwd)) {
    const shadowed = passwords.get(name);
    const account: ActualAccount = {
      uid,
      gid,
      gecos,
      home,
      shell,
      groups: memberships.get(name) ?? [],
      password: shadowed?.password ?? 'missing',
      hasExpiry: shadowed?.hasExpiry ?? false,
    };
    if (!accounts.has(name)) accounts.set(name, account);
    if (!uids.has(uid)) uids.set(uid, name);
  }
  return {
    accounts,
    uids,
    groups: new Map(groups.map(({ name, gid }) => [name, gid])),
    gids: new Map(groups.map(({ name, gid }) => [gid, name])),
  };
}
