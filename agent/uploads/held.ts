import { chrootPathOf } from './file-name.ts';
import { release } from './operations.ts';
import type { Outcome } from './outcome.ts';
import type { LogEvent } from './parse.ts';
import type { Fold } from './session-of.ts';
import type { Session, Upload } from './state.ts';

/**
 * A session that holds whole files under temporary names may be gone without a word, and its partner back in another
 * one. What that one does to such a file settles it: written over, the old one was whole until then; renamed or
 * removed, it is that session's now. Found out later, it would be followed under a name that no longer exists.
 */
export function settleHeldElsewhere(
  fold: Fold,
  session: Session,
  event: LogEvent,
  startDirectory: string,
  out: Outcome[],
): void {
  if (fold.holders.size === 0 || session.user === null) return;
  const overwritten = event.kind === 'opened' && event.writes ? [event.name] : [];
  const taken =
    event.kind === 'renamed'
      ? event.targets.map(({ from }) => from)
      : event.kind === 'changed' && event.verb === 'remove'
        ? [event.name]
        : [];
  if (overwritten.length + taken.length === 0) return;
  const pathsOf = (names: readonly string[]) => names.map((name) => chrootPathOf(name, startDirectory));
  const [over, away] = [pathsOf(overwritten), pathsOf(taken)];
  for (const pid of [...fold.holders]) {
    const other = fold.sessions.get(pid);
    if (other === undefined || other.held.length === 0) fold.holders.delete(pid);
    else if (other !== session && other.user === session.user) {
      release(other, (path) => over.includes(path), out);
      moveTo(session, other, away);
      if (session.held.length > 0) fold.holders.add(session.pid);
    }
  }
}

function moveTo(session: Session, other: Session, paths: readonly string[]): void {
  if (paths.length === 0) return;
  const isTaken = ({ path }: Upload) => paths.some((each) => path === each || path.startsWith(`${each}/`));
  const taken = other.held.filter(isTaken);
  if (taken.length === 0) return;
  session.held.push(...taken);
  other.held = other.held.filter((upload) => !isTaken(upload));
}
