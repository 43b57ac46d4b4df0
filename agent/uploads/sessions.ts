import { authActivity, forged, sessionActivity } from './activities.ts';
import { chrootPathOf } from './file-name.ts';
import { closeCutHandle, closeHandle, endHandles, failWrites, openCutHandle, openHandle } from './handles.ts';
import { settleHeldElsewhere } from './held.ts';
import type { JournalLine } from './journal-line.ts';
import { actorOf, applyOperation, beginOperation, refuseOperation, release } from './operations.ts';
import type { Outcome } from './outcome.ts';
import { type LogEvent, parseMessage } from './parse.ts';
import { type Fold, mayBe, newSession, type Partners, sessionOf } from './session-of.ts';
import type { Session } from './state.ts';

/** @param sessions of a checkpoint; they are copied */
export function createFold(sessions: readonly Session[]): Fold {
  const copies = sessions.map((each) => structuredClone(each));
  return {
    sessions: new Map(copies.map((each) => [each.pid, each])),
    boot: copies.at(-1)?.boot ?? '',
    holders: new Set(copies.filter(({ held }) => held.length > 0).map(({ pid }) => pid)),
  };
}

/**
 * Folds one line of the journal into the sessions. Deterministic: the same lines in the same order give the same
 * outcomes with the same ids, wherever the reading was interrupted and resumed.
 * @param out receives what the line brought forth
 */
export function foldLine(fold: Fold, line: JournalLine, partners: Partners, out: Outcome[]): void {
  if (line.boot !== fold.boot && line.boot !== '') endOtherBoots(fold, line.boot, partners, out);
  const event = parseMessage(line.identifier, line.message);
  switch (event.kind) {
    case 'accepted':
    case 'failed':
    case 'gave-up':
      if (line.uid === 0) out.push(authActivity(line, event));
      return;
    case 'session-opened':
      openSession(fold, line, event, partners, out);
      return;
    default: {
      const session = sessionOf(fold, line, event, partners, out);
      if (session !== undefined) foldEvent(fold, session, line, event, partners, out);
    }
  }
}

function foldEvent(
  fold: Fold,
  session: Session,
  line: JournalLine,
  event: LogEvent,
  partners: Partners,
  out: Outcome[],
): void {
  const start = partners.startDirectory(session.user);
  const refusal = event.kind === 'status' && isFailure(event.status);
  if (session.operation !== null) {
    if (refusal && isCertain(session, event.status)) refuseOperation(session, event.status, start, out);
    else applyOperation(session, start, out);
  } else if (refusal && session.lastOpened !== null) doubtOpening(session, event.status, start, line, out);
  else if (refusal && event.status === 'Failure') taintOnlyWriter(session);
  session.lastOpened = null;
  session.lastAt = line.at;
  settleHeldElsewhere(fold, session, event, start, out);
  switch (event.kind) {
    case 'verbose':
      session.verbose = true;
      return;
    case 'opened':
      openHandle(session, line, event);
      return;
    case 'closed':
      closeHandle(session, line, event, start, out);
      if (session.held.length > 0) fold.holders.add(session.pid);
      return;
    case 'cut-open':
      openCutHandle(session, line, event);
      return;
    case 'cut-close':
      closeCutHandle(session, line, event, start, out);
      if (session.held.length > 0) fold.holders.add(session.pid);
      return;
    case 'renamed':
    case 'changed':
      beginOperation(session, line, event);
      return;
    case 'write-failed':
      failWrites(session, event);
      return;
    case 'session-closed':
      endSession(fold, session, line.at, partners, out, true);
      out.push(sessionActivity(session, line, 'DISCONNECTED', 'session closed'));
      return;
    default:
  }
}

function isFailure(status: string): boolean {
  return status !== 'Success' && status !== 'End of file';
}

/**
 * Whether a failure is the answer to what the line before it asked for. A session that is not verbose has no line for
 * looking a file up, which clients do all the time for files that are not there.
 */
function isCertain(session: Session, status: string): boolean {
  return session.verbose || status !== 'No such file';
}

function openSession(
  fold: Fold,
  line: JournalLine,
  event: Extract<LogEvent, { kind: 'session-opened' }>,
  partners: Partners,
  out: Outcome[],
): void {
  if (line.uid !== 0 && !mayBe(partners, line.uid, event.user)) {
    out.push(forged(line, event.user));
    return;
  }
  const before = fold.sessions.get(line.pid);
  if (before !== undefined) endSession(fold, before, before.lastAt, partners, out);
  const session = newSession(line, event.user, event.address);
  fold.sessions.set(line.pid, session);
  out.push(sessionActivity(session, line, 'CONNECTED', 'session opened'));
}

/**
 * Ends a session.
 * @param at when it ended, or was last heard of, in ms since 1970
 * @param told by its closing line; else its process is gone
 */
export function endSession(
  fold: Fold,
  session: Session,
  at: number,
  partners: Partners,
  out: Outcome[],
  told = false,
): void {
  const start = partners.startDirectory(session.user);
  applyOperation(session, start, out);
  endHandles(session, at, told, start, out);
  fold.sessions.delete(session.pid);
}

/** A refusal comes at once; an operation without one after this long has succeeded. In ms. */
const REFUSAL_MS = 1_000;
/** A whole file under a temporary name counts under that name when no rename came for this long. In ms. */
const RENAME_MS = 60_000;

/**
 * Settles what only the passing of time can settle.
 * @param clock how far the journal is known, in ms since 1970: the last line's time while lines keep coming
 */
export function settleSessions(fold: Fold, clock: number, partners: Partners, out: Outcome[]): void {
  for (const session of fold.sessions.values()) {
    if (session.operation !== null && clock - session.operation.at > REFUSAL_MS)
      applyOperation(session, partners.startDirectory(session.user), out);
    release(session, (_path, closedAt) => clock - closedAt > RENAME_MS, out);
  }
}

function endOtherBoots(fold: Fold, boot: string, partners: Partners, out: Outcome[]): void {
  for (const session of [...fold.sessions.values()]) {
    if (session.boot !== boot) endSession(fold, session, session.lastAt, partners, out);
  }
  fold.boot = boot;
}

function doubtOpening(
  session: Session,
  status: string,
  start: string,
  line: JournalLine,
  out: Outcome[],
): void {
  const handle = session.handles.find(({ id }) => id === session.lastOpened);
  if (handle === undefined) return;
  const certain = isCertain(session, status);
  handle.refused = certain ? 'yes' : 'perhaps';
  // If it is closed nevertheless, it was open, and its first write has failed.
  if (status === 'Failure') handle.fault = SHORT_WRITE;
  const fields = { path: chrootPathOf(handle.name, start), operation: 'open', status };
  const common = { kind: 'activity', id: line.id, at: line.at, actor: actorOf(session), fields } as const;
  out.push({
    ...common,
    level: 'info',
    type: 'ERROR',
    message: certain ? 'open refused' : 'open perhaps refused',
  });
}

/** A disk that is full takes a part of a write; sshd has no line for that, only the failing status. */
const SHORT_WRITE = 'a write failed';

function taintOnlyWriter(session: Session): void {
  const writers = session.handles.filter(({ writes }) => writes);
  const [only] = writers;
  if (only !== undefined && writers.length === 1) only.fault ??= SHORT_WRITE;
}
