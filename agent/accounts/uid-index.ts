import { randomBytes } from 'node:crypto';
import { readdirSync, renameSync, writeFileSync } from 'node:fs';
import { codeOf } from '../operation-error.ts';
import { type Claims, claimantOf, nameIn } from './claim-files.ts';
import { below, MountFault, readPlain } from './planted.ts';

export interface Binding {
  /** The uid that is claimed for the name. */
  readonly bound?: number;
  /** The uid that a claim was begun for, here or on another host, and that nobody has yet. */
  readonly begun?: number;
}

/** What the index says of a name, as far as the claims confirm it. @throws MountFault */
export function bindingOf(
  { user, uid: asked }: { readonly user: string; readonly uid: number | null },
  claims: Claims,
): Binding {
  const text = readPlain(below(claims.names, user), `names/${user}`)?.trim();
  if (text === undefined || !/^\d{1,10}$/.test(text)) {
    if (asked !== null && claimantOf(asked, claims) === user) return { bound: asked };
    const bound = unindexed(claims).get(user);
    return bound === undefined ? {} : { bound };
  }
  const uid = Number(text);
  // Whoever writes to the bucket could have written 0 here.
  if (uid < claims.uidMin || uid > claims.uidMax) {
    throw new MountFault(`is bound to uid ${uid}, outside of users.uid_min to uid_max`, 'widen the range');
  }
  const claimant = claimantOf(uid, claims);
  if (claimant === user) return { bound: uid };
  return claimant === undefined ? { begun: uid } : {};
}

/**
 * Names by the claims themselves, where somebody took files out of the index. To read every claim takes a request for
 * each, so it is done only where there are more claims than names: an index is written before its claim.
 */
function unindexed(claims: Claims): ReadonlyMap<string, number> {
  claims.unindexed ??= readClaims(claims);
  return claims.unindexed;
}

function readClaims(claims: Claims): ReadonlyMap<string, number> {
  // In this order: a claim that is made meanwhile has its index by then.
  const uids = readdirSync(below(claims.uids, '')).filter((name) => /^\d{1,10}$/.test(name));
  const names = readdirSync(below(claims.names, '')).filter((name) => !name.startsWith('.'));
  if (uids.length <= names.length) return new Map();
  const found = new Map<string, number>();
  for (const uid of uids.map(Number)) {
    if (uid < claims.uidMin || uid > claims.uidMax) continue;
    const name = nameOrNothing(uid, claims);
    if (name !== undefined && !found.has(name)) found.set(name, uid);
  }
  return found;
}

/** What is planted in place of one claim concerns only whoever wants that uid. */
function nameOrNothing(uid: number, claims: Claims): string | undefined {
  try {
    return nameIn(uid, claims);
  } catch (fault) {
    if (fault instanceof MountFault) return undefined;
    throw fault;
  }
}

/** A crash may leave half an index: it names no claim that confirms it, and is written anew. */
export function writeIndex(user: string, uid: number, { names }: Pick<Claims, 'names'>): void {
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
