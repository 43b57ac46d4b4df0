import { chrootPathOf } from './file-name.ts';
import { mayHoldAny, mayHoldBelow, noteHeld, takeHolders } from './held-index.ts';
import { release } from './operations.ts';
import type { Outcome } from './outcome.ts';
import type { LogEvent } from './parse.ts';
import { type Fold, peersOf } from './session-of.ts';
import type { Session, Upload } from './state.ts';

/**
 * What a session does to a file that waits settles it: written over, the old one was whole until then; renamed or
 * removed, it is that session's now. Found out later, it would be followed under a name that no longer exists. The
 * session that holds it may be gone without a word, and its partner back in another one.
 */
export function settleHeld(
  fold: Fold,
  session: Session,
  event: LogEvent,
  startDirectory: string,
  out: Outcome[],
): void {
  if (event.kind !== 'opened' && event.kind !== 'renamed' && event.kind !== 'changed') return;
  const peers = peersOf(fold, session);
  if (!mayHoldAny(peers, session)) return;
  const pathOf = (name: string) => chrootPathOf(name, startDirectory);
  if (event.kind === 'opened' && event.writes)
    writeOver(peers, session, pathOf(event.name), event.fresh, out);
  else if (event.kind === 'changed' && event.verb === 'remove')
    takeAway(peers, session, pathOf(event.name), false);
  else if (event.kind === 'renamed') {
    for (const { to } of event.targets) writeOver(peers, session, pathOf(to), false, out);
    for (const { from } of event.targets) takeAway(peers, session, pathOf(from), true);
  }
}

/** @param empties its own files move when a rename is known to have taken place, and only emptying one ends what it was */
function writeOver(
  peers: Iterable<Session>,
  session: Session,
  path: string,
  empties: boolean,
  out: Outcome[],
): void {
  for (const holder of takeHolders(peers, path)) {
    if (holder !== session || empties) release(holder, (each) => each === path, out);
    else noteHeld(peers, session, path);
  }
}

/** @param isRename so that it may be a directory's, with all below it */
function takeAway(peers: Iterable<Session>, session: Session, path: string, isRename: boolean): void {
  let isFile = false;
  for (const holder of takeHolders(peers, path)) {
    if (holder !== session) moveTo(session, holder, (each) => each === path);
    isFile ||= session.held.some((each) => each.path === path);
  }
  if (isFile) noteHeld(peers, session, path);
  else if (isRename && mayHoldBelow(peers, path)) {
    const below = (each: string) => each.startsWith(`${path}/`);
    for (const other of peers)
      if (other !== session)
        for (const taken of moveTo(session, other, below)) noteHeld(peers, session, taken.path);
  }
}

function moveTo(session: Session, other: Session, which: (path: string) => boolean): Upload[] {
  const isTaken = ({ path, gone }: Upload) => gone === undefined && which(path);
  const taken = other.held.filter(isTaken);
  if (taken.length === 0) return taken;
  session.held.push(...taken);
  other.held = other.held.filter((upload) => !isTaken(upload));
  return taken;
}

/** A client may hold back so many in any case, however many others there are. */
const LEAST_HELD = 16;
/** As many take some 20 MB of heap. */
const MOST_HELD_IN_ALL = 20_000;

/** Lets go of the oldest that a session holds, when all of them hold too many for the agent's memory. */
export function limitHeld(fold: Fold, session: Session, out: Outcome[]): void {
  if (session.held.length <= LEAST_HELD) return;
  let inAll = 0;
  for (const { held } of fold.sessions.values()) inAll += held.length;
  const oldest = inAll > MOST_HELD_IN_ALL ? session.held.shift() : undefined;
  if (oldest !== undefined) out.push({ kind: 'whole', upload: oldest });
}
