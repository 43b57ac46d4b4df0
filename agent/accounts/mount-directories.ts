import { closeSync, fchmodSync, fchownSync, fstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../operation-error.ts';
import type { MountRequest, MountResponse, MountResult, MountUser } from './mount-request.ts';
import { below, MountFault, makeDirectory, openDirectory, ownerOf, withDirectory } from './planted.ts';
import { type Claims, claimantOf, claimUid } from './uid-claims.ts';

/** Root's own directory at the top of the mount; no user's name begins with a dot. */
const OWN_DIRECTORY = '.s3files-sftp';
/** sshd(8) wants every part of a chroot's path root's and writable by nobody else. */
const CHROOT_MODE = 0o755;
const OWN_MODE = 0o700;

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
  const { uidMin, uidMax, users, budgetMs = Number.POSITIVE_INFINITY } = request;
  const endMs = performance.now() + budgetMs;
  const prepareAll = (claims: Claims) => {
    const results: MountResult[] = [];
    for (const user of users) {
      // The first is always done, so that even the slowest mount makes progress.
      if (results.length > 0 && performance.now() > endMs) break;
      results.push(prepareUser(user, top, claims));
    }
    return results;
  };
  const results = withRootDirectory(top, OWN_DIRECTORY, { mode: OWN_MODE }, (own) =>
    withRootDirectory(own, 'uids', { mode: OWN_MODE }, (uids) =>
      withRootDirectory(own, 'names', { mode: OWN_MODE }, (names) =>
        prepareAll({ uids, names, uidMin, uidMax }),
      ),
    ),
  );
  closeSync(top);
  return { results };
}

function prepareUser(wish: MountUser, top: number, claims: Claims): MountResult {
  const { user } = wish;
  try {
    const repaired: string[] = [];
    const chroot = below(top, user);
    const owner = wish.newcomer && ownerOf(chroot) ? ownerBelow(chroot, wish.directories) : null;
    const uid = claimUid({ user, uid: wish.uid, owner }, claims);
    withRootDirectory(top, user, { mode: CHROOT_MODE, repaired }, (fd) => {
      for (const name of wish.directories) repaired.push(...giveDirectory(fd, name, uid, wish, claims));
      ensureRootDirectory(fd, 'dev', { mode: CHROOT_MODE, repaired, within: user });
    });
    return { user, uid, repaired };
  } catch (fault) {
    if (fault instanceof MountFault) return { user, problem: fault.message, hint: fault.hint };
    const hint = 'it is tried again at the next sync';
    return { user, problem: `its directories can’t be made: ${messageOf(fault)}`, hint };
  }
}

/** The owner of the first of some directories that exists. */
function ownerBelow(chroot: string, directories: readonly string[]): number | null {
  for (const name of directories) {
    const owner = ownerOf(`${chroot}/${name}`);
    if (owner) return owner.uid;
  }
  return null;
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
 * Makes a directory the user's. An existing one is handed over, itself and not its content, unless it is a newcomer's
 * and its owner is another partner: then somebody else's files lie there.
 */
function giveDirectory(chroot: number, name: string, uid: number, wish: MountUser, claims: Claims): string[] {
  const shown = `${wish.user}/${name}`;
  return withDirectory(below(chroot, name), shown, CHROOT_MODE, (fd, made) => {
    if (made) {
      fchownSync(fd, uid, uid);
      return [];
    }
    const at = fstatSync(fd);
    if (at.uid === uid) return [];
    const isPartners = at.uid >= claims.uidMin && at.uid <= claims.uidMax;
    if (wish.newcomer && isPartners) {
      const claimant = claimantOf(at.uid, claims) ?? 'nobody that is known';
      const hint = `set "uid" to ${at.uid} if it is this user’s, else move the directory away`;
      throw new MountFault(`${shown} on the mount belongs to uid ${at.uid} (${claimant})`, hint);
    }
    // Left as it is but for its owner: the mode is the user's own affair.
    fchownSync(fd, uid, uid);
    return [`${shown} was owned by ${at.uid}:${at.gid}`];
  });
}
