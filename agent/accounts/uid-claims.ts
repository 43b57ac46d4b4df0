import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { codeOf } from '../operation-error.ts';
import { below, isTaken, MountFault, readPlain } from './planted.ts';

/**
 * The binding of names to uids, kept on the mount so that every host that ever serves it agrees:
 *
 *   uids/<uid>/name   the claim: a directory that is renamed into place with the name already in it. rename(2) of a
 *                     directory fails where a directory with content is, so a uid goes to one name only, and a crash
 *                     leaves no claim without its name. Never removed: a uid is not used again.
 *   names/<name>      an index: the uid. Rebuilt from the claim wherever it is missing.
 *
 * A new name tries uids in an order that depends on the name alone. Two hosts that claim for the same name at once
 * therefore meet at the same uid, where one wins and the other finds its own name.
 */
export interface Claims {
  /** An open descriptor of uids/. */
  readonly uids: number;
  /** An open descriptor of names/. */
  readonly names: number;
  readonly uidMin: number;
  readonly uidMax: number;
}

export interface ClaimWish {
  readonly user: string;
  readonly uid: number | null;
  /** Uid of the directories that lie in the user's place already. */
  readonly owner: number | null;
}

const CONFLICT_HINT = 'set "uid" in the secret to the one that is bound, or choose another name';

/** Finds or makes the claim of a name. @returns its uid @throws MountFault when it is bound otherwise */
export function claimUid(wish: ClaimWish, claims: Claims): number {
  const { user, uid } = wish;
  const bound = boundUid(user, claims);
  if (bound !== undefined && uid !== null && bound !== uid) {
    throw new MountFault(`is bound to uid ${bound} for ever; uid ${uid} was asked for`, CONFLICT_HINT);
  }
  const claimed = bound ?? uid ?? adoptable(wish, claims);
  if (claimed === undefined) return claimFirstFree(user, claims);
  take(user, claimed, claims);
  return claimed;
}

/** Who has claimed a uid; undefined: nobody. A claim without a name, as only a stranger could leave it, counts. */
export function claimantOf(uid: number, claims: Pick<Claims, 'uids'>): string | undefined {
  // Most uids are free, and one look tells. A claim that is there has its name in it, since it was moved into place.
  if (!isTaken(below(claims.uids, String(uid)))) return undefined;
  return nameIn(uid, claims) ?? '(a claim without a name)';
}

function nameIn(uid: number, { uids }: Pick<Claims, 'uids'>): string | undefined {
  return readPlain(below(uids, `${uid}/name`), `uids/${uid}/name`)?.trim();
}

/** The uid that the index names, where the claim confirms it. */
function boundUid(user: string, claims: Claims): number | undefined {
  const text = readPlain(below(claims.names, user), `names/${user}`)?.trim();
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const uid = Number(text);
  // Whoever writes to the bucket could have written 0 here.
  if (uid < claims.uidMin || uid > claims.uidMax) {
    throw new MountFault(`is bound to uid ${uid}, outside of users.uid_min to uid_max`, 'widen the range');
  }
  return claimantOf(uid, claims) === user ? uid : undefined;
}

/** The owner of what lies in the user's place: theirs when it is in the range and nobody else's. */
function adoptable({ user, owner }: ClaimWish, claims: Claims): number | undefined {
  if (owner === null || owner < claims.uidMin || owner > claims.uidMax) return undefined;
  const claimant = claimantOf(owner, claims);
  if (claimant === undefined || claimant === user) return owner;
  const hint = 'chown the directory to root, or move it away; the agent hands nobody’s files over';
  throw new MountFault(`its directory on the mount belongs to uid ${owner}, which is ${claimant}’s`, hint);
}

function claimFirstFree(user: string, claims: Claims): number {
  const size = claims.uidMax - claims.uidMin + 1;
  const start = createHash('sha256').update(user).digest().readUInt32BE(0) % size;
  for (let step = 0; step < size; step += 1) {
    const uid = claims.uidMin + ((start + step) % size);
    if (tryTake(user, uid, claims) === user) return uid;
  }
  throw new MountFault('no uid is left in users.uid_min to uid_max', 'widen the range');
}

function take(user: string, uid: number, claims: Claims): void {
  const claimant = tryTake(user, uid, claims);
  if (claimant !== user) throw new MountFault(`uid ${uid} is ${claimant}’s for ever`, CONFLICT_HINT);
}

/** Claims one uid for a name. @returns whose it is now */
function tryTake(user: string, uid: number, claims: Claims): string {
  const before = claimantOf(uid, claims);
  const claimant = before ?? (moveClaim(user, uid, claims) ? user : claimantOf(uid, claims));
  // To go on to the next uid now could give the name two of them.
  if (claimant === undefined)
    throw new MountFault(`uid ${uid} is being claimed elsewhere`, 'it is tried again');
  if (claimant === user) writeIndex(user, uid, claims);
  return claimant;
}

/** @returns false where the claim itself has to tell whose it is */
function moveClaim(user: string, uid: number, { uids }: Claims): boolean {
  const draft = below(uids, `.${randomBytes(8).toString('hex')}`);
  mkdirSync(draft, { mode: 0o700 });
  writeFileSync(`${draft}/name`, `${user}\n`, { flag: 'wx', mode: 0o600 });
  try {
    renameSync(draft, below(uids, String(uid)));
    return true;
  } catch (cause) {
    // ENOENT: a rename that was sent twice, after a lost answer.
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(codeOf(cause) ?? '')) throw cause;
    discard(draft);
    return false;
  }
}

/** A crash may leave half an index: it names no claim that confirms it, and is written anew. */
function writeIndex(user: string, uid: number, { names }: Claims): void {
  const path = below(names, user);
  try {
    writeFileSync(path, `${uid}\n`, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    if (codeOf(cause) !== 'EEXIST') throw cause;
    if (readPlain(path, `names/${user}`)?.trim() === String(uid)) return;
    const draft = below(names, `.${randomBytes(8).toString('hex')}`);
    writeFileSync(draft, `${uid}\n`, { flag: 'wx', mode: 0o600 });
    renameSync(draft, path);
  }
}

function discard(draft: string): void {
  try {
    unlinkSync(`${draft}/name`);
    rmdirSync(draft);
  } catch {
    // Already gone, or left as rubbish with a dot before its name: neither matters.
  }
}
