import { addPath, createDirectoryFilter, type DirectoryFilter, mayHaveBelow } from './directory-filter.ts';
import type { Session } from './state.ts';

/** May name a session that holds an upload no longer; never misses one that does. */
interface HeldIndex {
  readonly holders: Map<string, Session[]>;
  readonly directories: DirectoryFilter;
  /** Notes until it is made anew, without what is held no longer. */
  left: number;
}

/** By the sessions of one user, as `peersOf` gives them. One whose user is unknown has no peers, and needs none. */
const indexes = new WeakMap<object, HeldIndex>();
const DIRECTORY_BITS = 16_384;
/** Few, since there may be a thousand users, and a path keeps the line in memory that it was cut out of. */
const LEAST_NOTES = 32;

/**
 * Makes known that a session holds an upload of a path: what another session of the user does to a file is looked up,
 * rather than looked for among all that all of them hold.
 */
export function noteHeld(peers: Iterable<Session>, session: Session, path: string): void {
  const index = indexes.get(peers);
  if (index === undefined) return;
  note(index, session, path);
  index.left -= 1;
  if (index.left < 0) indexes.delete(peers);
}

/** @returns the sessions that may hold uploads of this path; who holds one afterwards has to be noted again */
export function takeHolders(peers: Iterable<Session>, path: string): readonly Session[] {
  if (!(peers instanceof Set)) return [...peers];
  const { holders } = indexOf(peers);
  const found = holders.get(path);
  if (found === undefined) return [];
  holders.delete(path);
  return found;
}

/** @returns whether uploads may be held below this path */
export function mayHoldBelow(peers: Iterable<Session>, path: string): boolean {
  return !(peers instanceof Set) || mayHaveBelow(indexOf(peers).directories, path);
}

function indexOf(peers: Iterable<Session>): HeldIndex {
  const known = indexes.get(peers);
  if (known !== undefined) return known;
  const index = { holders: new Map(), directories: createDirectoryFilter(DIRECTORY_BITS), left: LEAST_NOTES };
  for (const session of peers)
    for (const { path } of session.held) {
      note(index, session, path);
      index.left += 1;
    }
  indexes.set(peers, index);
  return index;
}

function note({ holders, directories }: HeldIndex, session: Session, path: string): void {
  addPath(directories, path);
  const sessions = holders.get(path);
  if (sessions === undefined) holders.set(path, [session]);
  else if (!sessions.includes(session)) sessions.push(session);
}
