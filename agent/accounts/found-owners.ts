import { closeSync, lstatSync, readdirSync } from 'node:fs';
import type { Claims } from './claim-files.ts';
import { below, MountFault, openDirectory } from './planted.ts';

/** Longest that they are looked for: whoever writes to the bucket can make any number of directories. */
const LONGEST_MS = 5_000;

/**
 * Uids that own directories on the mount which nobody has claimed yet: Transfer Family or a person left them for a
 * partner whose turn is still to come, in this child or another, on this host or another, today or next week. A uid
 * that a newcomer got meanwhile would be lost to that partner for ever. Names that have a claim are passed over, so
 * that on a mount in use there is little to look at.
 * @param top an open descriptor of the mount
 * @param places names of directories that partners have
 * @returns the uids of the range, each with one of its directories, as people are told
 */
export function findOwners(
  top: number,
  places: readonly string[],
  { names, uidMin, uidMax }: Pick<Claims, 'names' | 'uidMin' | 'uidMax'>,
): ReadonlyMap<number, string> {
  const endMs = performance.now() + LONGEST_MS;
  const claimed = new Set(readdirSync(below(names, '')));
  const found = new Map<number, string>();
  for (const user of readdirSync(below(top, ''))) {
    if (user.startsWith('.') || claimed.has(user)) continue;
    if (performance.now() > endMs) break;
    for (const [name, uid] of ownersIn(top, user, places))
      if (uid >= uidMin && uid <= uidMax) found.set(uid, `${user}/${name}`);
  }
  return found;
}

function ownersIn(top: number, user: string, places: readonly string[]): [string, number][] {
  const fd = openOrNothing(top, user);
  if (fd === undefined) return [];
  try {
    return places.flatMap((name): [string, number][] => {
      const at = lstatSync(below(fd, name), { throwIfNoEntry: false });
      return at?.isDirectory() ? [[name, at.uid]] : [];
    });
  } finally {
    closeSync(fd);
  }
}

/** What is no directory is nobody's place. */
function openOrNothing(top: number, name: string): number | undefined {
  try {
    return openDirectory(below(top, name), name);
  } catch (fault) {
    if (fault instanceof MountFault) return undefined;
    throw fault;
  }
}
