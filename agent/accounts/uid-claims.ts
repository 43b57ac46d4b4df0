import { createHash } from 'node:crypto';
import { type Claims, claimantOf, moveClaim } from './claim-files.ts';
import { MountFault } from './planted.ts';
import { otherName } from './taken-uids.ts';
import { bindingOf, writeIndex } from './uid-index.ts';

/** Whose a directory is that lies in the user's place already. */
export interface Owner {
  readonly uid: number;
  /** The directory, as people are told. */
  readonly shown: string;
}

export interface ClaimWish {
  readonly user: string;
  readonly uid: number | null;
  /** null: there are no directories yet, or they are root's, or an existing user's that drifted. */
  readonly owner: Owner | null;
}

const CONFLICT_HINT = 'set "uid" in the secret to the one that is bound, or choose another name';

/**
 * Finds or makes the claim of a name. What speaks against it is found before anything is claimed: a claim is for ever.
 * @returns its uid
 * @throws MountFault when the name is bound otherwise, or the uid or the directories are somebody else's
 */
export function claimUid(wish: ClaimWish, claims: Claims): number {
  const { user, uid, owner } = wish;
  const { bound, begun } = bindingOf({ user, uid }, claims);
  if (bound !== undefined && uid !== null && bound !== uid) {
    throw new MountFault(`is bound to uid ${bound} for ever; uid ${uid} was asked for`, CONFLICT_HINT);
  }
  const claimed = bound ?? uid ?? owner?.uid;
  if (owner !== null) refuseOwner(owner, { user, claimed, isFree: bound === undefined }, claims);
  if (claimed === undefined) return claimFirstFree(user, begun, claims);
  refuseTaken(user, claimed, claims);
  take(user, claimed, claims);
  return claimed;
}

interface Choice {
  readonly user: string;
  readonly claimed: number | undefined;
  /** Whether the name has no claim yet. */
  readonly isFree: boolean;
}

/** Directories that lie in the user's place already are theirs only where their owner is, and nobody else is. */
function refuseOwner({ uid, shown }: Owner, { user, claimed, isFree }: Choice, claims: Claims): void {
  const claimant = claimantOf(uid, claims);
  const isPossible = uid >= claims.uidMin && uid <= claims.uidMax && (claimant ?? user) === user;
  if (uid === claimed && isPossible) return;
  const whose = claimant ?? 'nobody that is known';
  const hint =
    isPossible && isFree
      ? `set "uid" to ${uid} if it is this user’s, else move the directory away`
      : 'chown the directory to root if what lies in it is this user’s, else move it away';
  throw new MountFault(`${shown} on the mount belongs to uid ${uid} (${whose})`, hint);
}

/** A uid that has another name on this host can't be the user's here, whatever the claims say. */
function refuseTaken(user: string, uid: number, { taken }: Claims): void {
  const other = otherName(user, uid, taken);
  if (other === undefined) return;
  const hint = `give ${other} another uid and gid on this host, or the partner another name`;
  throw new MountFault(`can’t have uid ${uid}: it belongs to ${other} on this host`, hint);
}

function claimFirstFree(user: string, begun: number | undefined, claims: Claims): number {
  // Else two hosts that differ in what is taken could each claim another one.
  if (begun !== undefined) {
    refuseTaken(user, begun, claims);
    if (tryTake(user, begun, claims) === user) return begun;
  }
  const owners = claims.owners?.();
  const size = claims.uidMax - claims.uidMin + 1;
  const start = createHash('sha256').update(user).digest().readUInt32BE(0) % size;
  for (let step = 0; step < size; step += 1) {
    const uid = claims.uidMin + ((start + step) % size);
    // Another host may not know of the name that has it here, and have claimed it.
    if (otherName(user, uid, claims.taken) !== undefined) {
      if (claimantOf(uid, claims) === user) refuseTaken(user, uid, claims);
      continue;
    }
    // Somebody else's directory: whoever finds an owner on its own does not come here.
    if (owners?.has(uid) && claimantOf(uid, claims) === undefined) continue;
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
  // First the index: whoever is killed in between has begun a claim, and never made one that no name leads to.
  if (before === undefined) writeIndex(user, uid, claims);
  const claimant = before ?? (moveClaim(user, uid, claims) ? user : claimantOf(uid, claims));
  // To go on to the next uid now could give the name two of them.
  if (claimant === undefined)
    throw new MountFault(`uid ${uid} is being claimed elsewhere`, 'it is tried again');
  if (before === user) writeIndex(user, uid, claims);
  return claimant;
}
