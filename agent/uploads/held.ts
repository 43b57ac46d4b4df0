import { chrootPathOf } from './file-name.ts';
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
  if (!hasHeld(peersOf(fold, session))) return;
  const overwritten =
    event.kind === 'renamed'
      ? event.targets.map(({ to }) => to)
      : event.kind === 'opened' && event.writes
        ? [event.name]
        : [];
  const taken =
    event.kind === 'renamed'
      ? event.targets.map(({ from }) => from)
      : event.kind === 'changed' && event.verb === 'remove'
        ? [event.name]
        : [];
  if (overwritten.length + taken.length === 0) return;
  const pathsOf = (names: readonly string[]) => names.map((name) => chrootPathOf(name, startDirectory));
  const [over, away] = [pathsOf(overwritten), pathsOf(taken)];
  // Its own files move when the rename is known to have taken place, and only emptying one ends what it was.
  if (event.kind === 'opened' && event.fresh) release(session, (path) => over.includes(path), out);
  for (const other of peersOf(fold, session)) {
    if (other === session || other.held.length === 0) continue;
    release(other, (path) => over.includes(path), out);
    moveTo(session, other, away);
  }
}

function hasHeld(sessions: Iterable<Session>): boolean {
  for (const { held } of sessions) if (held.length > 0) return true;
  return false;
}

function moveTo(session: Session, other: Session, paths: readonly string[]): void {
  if (paths.length === 0) return;
  const isTaken = ({ path, gone }: Upload) =>
    gone === undefined && paths.some((each) => path === each || path.startsWith(`${each}/`));
  const taken = other.held.filter(isTaken);
  if (taken.length === 0) return;
  session.held.push(...taken);
  other.held = other.held.filter((upload) => !isTaken(upload));
}
