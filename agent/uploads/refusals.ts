import { chrootPathOf } from './file-name.ts';
import { forgetDoubtful } from './handle-limits.ts';
import type { JournalLine } from './journal-line.ts';
import { actorOf } from './operations.ts';
import type { Outcome } from './outcome.ts';
import type { Session } from './state.ts';

export function isFailure(status: string): boolean {
  return status !== 'Success' && status !== 'End of file';
}

/**
 * Whether a failure is the answer to what the line before it asked for. A session that is not verbose has no line for
 * looking a file up, which clients do all the time for files that are not there.
 */
export function isCertain(session: Session, status: string): boolean {
  return session.verbose || status !== 'No such file';
}

/** A disk that is full takes a part of a write; sshd has no line for that, only the failing status. */
const SHORT_WRITE = 'a write failed';

/** A failing status came right after an opening: it was refused, or something else was that has no line. */
export function doubtOpening(
  session: Session,
  status: string,
  start: string,
  line: JournalLine,
  out: Outcome[],
): void {
  const { handles } = session;
  const handle = handles.at(-1);
  if (handle === undefined || handle.id !== session.lastOpened) return;
  const certain = isCertain(session, status);
  handle.refused = certain ? 'yes' : 'perhaps';
  // If it is closed nevertheless, it was open, and its first write has failed. No write is answered otherwise.
  if (status === 'Failure') handle.fault = SHORT_WRITE;
  else if (session.verbose) handles.pop();
  forgetDoubtful(session);
  const fields = { path: chrootPathOf(handle.name, start), operation: 'open', status };
  const common = { kind: 'activity', id: line.id, at: line.at, actor: actorOf(session), fields } as const;
  out.push({
    ...common,
    level: 'info',
    type: 'ERROR',
    message: certain ? 'open refused' : 'open perhaps refused',
  });
}

/** A failing status that answers no line: where only one file is being written, it was a write to that. */
export function taintOnlyWriter(session: Session): void {
  const writers = session.handles.filter(({ writes, refused }) => writes && refused !== 'yes');
  const [only] = writers;
  if (writers.length + session.forgotten !== 1) return;
  if (only === undefined) session.forgottenFault ??= SHORT_WRITE;
  else only.fault ??= SHORT_WRITE;
}
