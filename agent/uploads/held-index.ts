import { addPath, createDirectoryFilter, type DirectoryFilter, mayHaveBelow } from './directory-filter.ts';
import type { Session } from './state.ts';

/** May name a session that holds an upload no longer; never misses one that does. */
interface HeldIndex {
  readonly holders: Map<string, Session[]>;
  readonly directories: DirectoryFilter;
  /** Notes until it is made anew, without what is held no longer. */
  left: number;
}

/** By the sessions of one user, as `peersOf` gives them; a session that is alone needs none. */
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
  if (isAlone(peers)) indexes.delete(peers);
  else {
    if (index.left <= 0) fill(index, peers);
    index.left -= 1;
    note(index, session, path);
  }
}

/** Takes back what was noted for an upload that did not have to wait. */
export function noteReleased(peers: Iterable<Session>, session: Session, path: string): void {
  const index = indexes.get(peers);
  const sessions = index?.holders.get(path);
  if (index === undefined || sessions?.length !== 1 || sessions[0] !== session) return;
  index.holders.delete(path);
  index.left += 1;
}

/** @returns the sessions that may hold uploads of this path; who holds one afterwards has to be noted again */
export function takeHolders(peers: Iterable<Session>, path: string): Iterable<Session> {
  if (isAlone(peers)) return peers;
  const { holders } = indexOf(peers);
  const found = holders.get(path);
  if (found === undefined) return [];
  holders.delete(path);
  return found;
}

/** @returns whether any of the sessions may hold uploads */
export function mayHoldAny(peers: Iterable<Session>, session: Session): boolean {
  return isAlone(peers) ? session.held.length > 0 : indexOf(peers).holders.size > 0;
}

/** @returns whether other sessions may hold uploads below this path */
export function mayHoldBelow(peers: Iterable<Session>, path: string): boolean {
  return !isAlone(peers) && mayHaveBelow(indexOf(peers).directories, path);
}

function isAlone(peers: Iterable<Session>): boolean {
  return !(peers instanceof Set) || peers.size < 2;
}

function indexOf(peers: Iterable<Session>): HeldIndex {
  const known = indexes.get(peers);
  if (known !== undefined) return known;
  const index = { holders: new Map(), directories: createDirectoryFilter(DIRECTORY_BITS), left: 0 };
  fill(index, peers);
  indexes.set(peers, index);
  return index;
}

function fill(index: HeldIndex, peers: Iterable<Session>): void {
  index.holders.clear();
  index.directories.fill(0);
  index.left = LEAST_NOTES;
  for (const session of peers)
    for (const { path } of session.held) {
      note(index, session, path);
      index.left += 1;
    }
}

function note({ holders, directories }: HeldIndex, session: Session, path: string): void {
  addPath(directories, path);
  const sessions = holders.get(path);
  if (sessions === undefined) holders.set(path, [session]);
  else if (!sessions.includes(session)) sessions.push(session);
}
