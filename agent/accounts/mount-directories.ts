import { closeSync, fchmodSync, fchownSync, fstatSync, readdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../operation-error.ts';
import type { Claims } from './claim-files.ts';
import { findOwners } from './found-owners.ts';
import {
  type MountRequest,
  type MountResponse,
  type MountResult,
  type MountUser,
  placesOf,
} from './mount-request.ts';
import { below, MountFault, makeDirectory, openDirectory, withDirectory } from './planted.ts';
import { takenUidsOf } from './taken-uids.ts';
import { claimUid, type Owner } from './uid-claims.ts';

/** Root's own directory at the top of the mount; no user's name begins with a dot. */
const OWN_DIRECTORY = '.s3files-sftp';
/** sshd(8) wants every part of a chroot's path root's and writable by nobody else. */
const CHROOT_MODE = 0o755;
const OWN_MODE = 0o700;
/** The socket that the session's log goes to is in here (host/chroot-log.ts). */
const DEV = 'dev';

/**
 * The child that works on the mount: reads a request as JSON, does it, and answers as JSON. It runs as root in a
 * mount namespace that follows no links on the mount; the code below follows none either.
 */
export function mountDirectoriesCommand(input: string, root: string): string {
  // A directory that is made needs no second look at its mode: each look is a request to the file system.
  process.umask(0o022);
  return JSON.stringify(runMountDirectories(JSON.parse(input) as MountRequest, root));
}

/**
 * Claims uids and makes chroots, user by user; what is wrong with one user's place stops only that user.
 * Nothing is changed below a user's own directories, and nothing is done twice: each chown is a new object version.
 * @param root the mount point
 * @throws when the mount itself can't be worked on
 */
export function runMountDirectories(request: MountRequest, root: string): MountResponse {
  if (request.mountPoint && statSync(root).dev === statSync(dirname(root)).dev) {
    throw new Error(`${root} is no mount point now`);
  }
  const top = openDirectory(root, root);
  if (top === undefined) throw new Error(`${root} does not exist`);
  const { uidMin, uidMax, users, budgetMs = Number.POSITIVE_INFINITY, places = placesOf(users) } = request;
  const taken = takenUidsOf(request.taken ?? []);
  const endMs = performance.now() + budgetMs;
  const prepareAll = (claims: Claims) => {
    const results = new Map<MountUser, MountResult>();
    for (const user of foundFirst(users, top)) {
      // The first is always done, so that even the slowest mount makes progress.
      if (results.size > 0 && performance.now() > endMs) break;
      results.set(user, prepareUser(user, top, claims));
    }
    return users.flatMap((user) => results.get(user) ?? []);
  };
  const results = withRootDirectory(top, OWN_DIRECTORY, { mode: OWN_MODE }, (own) =>
    withRootDirectory(own, 'uids', { mode: OWN_MODE }, (uids) =>
      withRootDirectory(own, 'names', { mode: OWN_MODE }, (names) =>
        prepareAll(withOwners({ uids, names, uidMin, uidMax, taken }, top, places)),
      ),
    ),
  );
  closeSync(top);
  return { results };
}

/**
 * Newcomers that have a directory come before those that have none: whoever finds its uid on it must not find it taken
 * by one who could have had any.
 */
function foundFirst(users: readonly MountUser[], top: number): readonly MountUser[] {
  if (!users.some(({ newcomer, uid }) => newcomer && uid === null)) return users;
  const there = new Set(readdirSync(below(top, '')));
  return [...users.filter(({ user }) => there.has(user)), ...users.filter(({ user }) => !there.has(user))];
}

/** Looks for owners once, when the first newcomer needs a uid of nobody's. */
function withOwners(claims: Claims, top: number, places: readonly string[]): Claims {
  let found: ReadonlyMap<number, string> | undefined;
  return {
    ...claims,
    owners: () => {
      found ??= findOwners(top, places, claims);
      return found;
    },
  };
}

function prepareUser(wish: MountUser, top: number, claims: Claims): MountResult {
  const { user } = wish;
  const shown = (name: string) => `${user}/${name}`;
  const repaired: string[] = [];
  // What is there is opened and looked at first, the uid claimed then, and changes made last: a claim is for ever, and
  // what has been opened can't be exchanged any more.
  const prepare = (chroot: number, isNew: boolean, places: ReadonlyMap<string, number>): number => {
    const owner = wish.newcomer ? ownerOf(places, wish) : null;
    const uid = claimUid({ user, uid: wish.uid, owner }, claims);
    if (!isNew) giveToRoot(chroot, user, { mode: CHROOT_MODE, repaired });
    for (const name of wish.directories) {
      const give = (fd: number, made: boolean) => {
        if (made) fchownSync(fd, uid, uid);
        else repaired.push(...handOver(fd, shown(name), uid, wish));
      };
      const fd = places.get(name);
      if (fd === undefined) withDirectory(below(chroot, name), shown(name), CHROOT_MODE, give);
      else give(fd, false);
    }
    const dev = places.get(DEV);
    const rule = { mode: CHROOT_MODE, repaired, within: user };
    if (dev === undefined) ensureRootDirectory(chroot, DEV, rule);
    else giveToRoot(dev, shown(DEV), rule);
    return uid;
  };
  try {
    const uid = withDirectory(below(top, user), user, CHROOT_MODE, (chroot, made) => {
      if (made) return prepare(chroot, true, new Map());
      const names = [...wish.directories, DEV];
      return withPlaces(chroot, names, user, (places) => prepare(chroot, false, places));
    });
    return { user, uid, repaired };
  } catch (fault) {
    if (fault instanceof MountFault) return { user, problem: fault.message, hint: fault.hint };
    const hint = 'it is tried again at the next sync';
    return { user, problem: `its directories can’t be made: ${messageOf(fault)}`, hint };
  }
}

/** Opens those of a user's directories that exist, for as long as a function runs. @throws MountFault */
function withPlaces<T>(
  chroot: number,
  names: readonly string[],
  user: string,
  use: (places: ReadonlyMap<string, number>) => T,
): T {
  const places = new Map<string, number>();
  try {
    for (const name of names) {
      const fd = openDirectory(below(chroot, name), `${user}/${name}`);
      if (fd !== undefined) places.set(name, fd);
    }
    return use(places);
  } finally {
    for (const fd of places.values()) closeSync(fd);
  }
}

/** Whose directories lie in a newcomer's place; null: there are none, or root's, as the bucket's side makes them. */
function ownerOf(places: ReadonlyMap<string, number>, { user, directories }: MountUser): Owner | null {
  let owner: Owner | null = null;
  for (const name of directories) {
    const fd = places.get(name);
    const uid = fd === undefined ? 0 : fstatSync(fd).uid;
    const shown = `${user}/${name}`;
    if (uid === 0) continue;
    if (owner !== null && uid !== owner.uid) {
      const hint = 'give both one owner, or move the one away that is not this user’s';
      throw new MountFault(`${owner.shown} belongs to uid ${owner.uid} and ${shown} to uid ${uid}`, hint);
    }
    owner ??= { uid, shown };
  }
  return owner;
}

/**
 * Opens a directory that has to be root's, making it where it is missing. A real directory with another owner or mode
 * is set right: the call goes to the open directory and changes who may add to it, not what lies in it, and until then
 * sshd refuses the chroot anyway. Whatever was planted inside is met by the same checks, one level down.
 */
function withRootDirectory<T>(parent: number, name: string, rule: RootRule, use: (fd: number) => T): T {
  return withDirectory(below(parent, name), shownAs(name, rule), rule.mode, (fd, made) => {
    if (!made) giveToRoot(fd, shownAs(name, rule), rule);
    return use(fd);
  });
}

/** The same for a directory that nothing is to be done in. */
function ensureRootDirectory(parent: number, name: string, rule: RootRule): void {
  if (!makeDirectory(below(parent, name), rule.mode)) withRootDirectory(parent, name, rule, () => {});
}

interface RootRule {
  readonly mode: number;
  /** Takes what had to be put right. */
  readonly repaired?: string[];
  /** The directory that it is in, as people are told. */
  readonly within?: string;
}

function shownAs(name: string, { within }: RootRule): string {
  return within === undefined ? name : `${within}/${name}`;
}

function giveToRoot(fd: number, shown: string, { mode, repaired }: RootRule): void {
  const at = fstatSync(fd);
  if (at.uid !== 0 || at.gid !== 0) {
    fchownSync(fd, 0, 0);
    repaired?.push(`${shown} was owned by ${at.uid}:${at.gid}`);
  }
  if ((at.mode & 0o7777) !== mode) {
    fchmodSync(fd, mode);
    repaired?.push(`${shown} had mode ${(at.mode & 0o7777).toString(8)}`);
  }
}

/**
 * Makes an existing directory the user's, itself and not its content. A newcomer's has to be root's or their own: the
 * owner was looked at before the uid was claimed, but this one may have been made since.
 * @returns what was put right
 */
function handOver(fd: number, shown: string, uid: number, { newcomer }: MountUser): string[] {
  const at = fstatSync(fd);
  if (at.uid === uid) return [];
  if (newcomer && at.uid !== 0) {
    throw new MountFault(`${shown} on the mount was given to uid ${at.uid} meanwhile`, 'move it away');
  }
  // Left as it is but for its owner: the mode is the user's own affair.
  fchownSync(fd, uid, uid);
  return [`${shown} was owned by ${at.uid}:${at.gid}`];
}
