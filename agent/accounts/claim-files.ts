import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { codeOf } from '../operation-error.ts';
import { below, isTaken, readPlain } from './planted.ts';
import type { TakenUids } from './taken-uids.ts';

/**
 * The binding of names to uids, kept on the mount so that every host that ever serves it agrees:
 *
 *   uids/<uid>/name   the claim: a directory that is renamed into place with the name already in it. rename(2) of a
 *                     directory fails where a directory with content is, so a uid goes to one name only, and a crash
 *                     leaves no claim without its name. Never removed: a uid is not used again.
 *   names/<name>      an index: the uid. Written before the claim, which confirms it or does not; rebuilt from the
 *                     claim where it is missing.
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
  /** Uids that have a name on this host. */
  readonly taken: TakenUids;
  /** Uids that own directories of partners who have no claim yet, each with one of them; looked for when asked. */
  readonly owners?: () => ReadonlyMap<number, string>;
  /** Uids by name of claims that no index leads to, once they had to be looked for. */
  unindexed?: ReadonlyMap<string, number>;
}

/** Who has claimed a uid; undefined: nobody. A claim without a name, as only a stranger could leave it, counts. */
export function claimantOf(uid: number, claims: Pick<Claims, 'uids'>): string | undefined {
  // Most uids are free, and one look tells. A claim that is there has its name in it, since it was moved into place.
  if (!isTaken(below(claims.uids, String(uid)))) return undefined;
  return nameIn(uid, claims) ?? '(a claim without a name)';
}

/** The name in a claim; undefined where there is none. @throws MountFault for anything but a file */
export function nameIn(uid: number, { uids }: Pick<Claims, 'uids'>): string | undefined {
  return readPlain(below(uids, `${uid}/name`), `uids/${uid}/name`)?.trim();
}

/** @returns false where the claim itself has to tell whose it is */
export function moveClaim(user: string, uid: number, { uids }: Pick<Claims, 'uids'>): boolean {
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

function discard(draft: string): void {
  try {
    unlinkSync(`${draft}/name`);
    rmdirSync(draft);
  } catch {
    // Already gone, or left as rubbish with a dot before its name: neither matters.
  }
}
