import type { Fold } from './session-of.ts';
import type { Handle, Session } from './state.ts';

/** What may have been refused is forgotten, past so many: a session can ask for files that don't exist for ever. */
const MOST_DOUBTFUL = 16;
/** As many as a process may have open, unless its host says otherwise (getrlimit(2), RLIMIT_NOFILE). */
const MOST_HANDLES = 1_024;
/** All that are open together have to fit the agent's memory; past it each session has no more than the least. */
const MOST_HANDLES_IN_ALL = 5_000;
const LEAST_HANDLES = 16;

/** Forgets the oldest of the openings that a status refused, or perhaps did, past a bound. */
export function forgetDoubtful(session: Session): void {
  let doubtful = 0;
  for (const { refused } of session.handles) if (refused !== 'no') doubtful += 1;
  if (doubtful > MOST_DOUBTFUL) forgetOne(session);
}

/** Makes room for one more. What is forgotten counts as a file whose opening was not seen. */
export function makeRoom(fold: Fold, session: Session): void {
  const { length } = session.handles;
  if (length >= MOST_HANDLES || (length >= LEAST_HANDLES && handlesInAll(fold) >= MOST_HANDLES_IN_ALL))
    forgetOne(session);
}

function handlesInAll(fold: Fold): number {
  let inAll = 0;
  for (const { handles } of fold.sessions.values()) inAll += handles.length;
  return inAll;
}

/** The dearest last: a file that is known to have failed must not pass for whole. */
const BY_WORTH: readonly ((handle: Handle) => boolean)[] = [
  ({ refused }) => refused !== 'no',
  ({ writes, cut }) => !writes && !cut,
  ({ writes }) => !writes,
  ({ fault }) => fault === null,
  () => true,
];

function forgetOne(session: Session): void {
  for (const isWorthNoMore of BY_WORTH) {
    const index = session.handles.findIndex(isWorthNoMore);
    const [handle] = index < 0 ? [] : session.handles.splice(index, 1);
    if (handle === undefined) continue;
    if (handle.writes && handle.refused === 'no') {
      session.forgotten += 1;
      session.forgottenFault ??= handle.fault;
    }
    return;
  }
}

/** A file was closed that the session does not remember. @returns what may have gone wrong with it, or null */
export function takeForgotten(session: Session): string | null {
  const fault = session.forgottenFault;
  session.forgotten -= 1;
  if (session.forgotten === 0) session.forgottenFault = null;
  return fault === null ? null : `${fault}: this file, or another of many that were open`;
}
