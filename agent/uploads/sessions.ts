import { authActivity, forged, sessionActivity } from './activities.ts';
import { answerClose } from './closing.ts';
import { makeRoom } from './handle-limits.ts';
import { closeCutHandle, closeHandle, endHandles, openCutHandle, openHandle } from './handles.ts';
import { limitHeld, settleHeld } from './held.ts';
import { noteHeld, noteReleased } from './held-index.ts';
import { failReads, failWrites } from './io-failures.ts';
import type { JournalLine } from './journal-line.ts';
import { applyOperation, beginOperation, refuseOperation, release } from './operations.ts';
import type { Outcome } from './outcome.ts';
import { type EventOf, type LogEvent, parseMessage } from './parse.ts';
import { doubtOpening, isCertain, isFailure, taintOnlyWriter } from './refusals.ts';
import {
  addChannel,
  addSession,
  type Fold,
  mayBe,
  newSession,
  type Partners,
  peersOf,
  removeSession,
  sessionOf,
} from './session-of.ts';
import type { Session } from './state.ts';

/** @param sessions of a checkpoint; they are copied */
export function createFold(sessions: readonly Session[]): Fold {
  const fold: Fold = { sessions: new Map(), boot: sessions.at(-1)?.boot ?? '', byUser: new Map() };
  for (const each of sessions) addSession(fold, structuredClone(each));
  return fold;
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
      if (line.uid === 0) endFormer(fold, line, partners, out);
      if (line.uid === 0) out.push(authActivity(line, event));
      return;
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
  settleLast(fold, session, line, event, start, out);
  session.lastOpened = null;
  session.askedAt = null;
  session.lastAt = line.at;
  settleHeld(fold, session, event, start, out);
  switch (event.kind) {
    case 'verbose':
      session.verbose = true;
      return;
    case 'opened':
      makeRoom(fold, session);
      openHandle(session, line, event);
      return;
    case 'closed':
      closeHandle(session, line, event, start, out);
      afterClose(fold, session, line, out);
      return;
    case 'cut-open':
      makeRoom(fold, session);
      openCutHandle(session, line, event);
      return;
    case 'cut-close':
      closeCutHandle(session, line, event, start, out);
      afterClose(fold, session, line, out);
      return;
    case 'renamed':
    case 'changed':
      beginOperation(session, line, event);
      return;
    case 'write-failed':
      failWrites(session, event);
      session.askedAt = line.at;
      return;
    case 'read-failed':
      failReads(session, event);
      session.askedAt = line.at;
      return;
    case 'session-closed':
      session.channels -= 1;
      if (session.channels < 1) endSession(fold, session, line.at, partners, out, true);
      out.push(sessionActivity(session, line, 'DISCONNECTED', 'session closed'));
      return;
    case 'other':
      // An fsync that fails is a write that failed.
      if (!line.message.startsWith('fsync')) session.askedAt = line.at;
      return;
    default:
  }
}

function afterClose(fold: Fold, session: Session, line: JournalLine, out: Outcome[]): void {
  const upload = session.closing === null ? undefined : session.held.at(-1);
  if (upload === undefined) session.askedAt = line.at;
  else {
    noteHeld(peersOf(fold, session), session, upload.path);
    limitHeld(fold, session, out);
  }
}

/** The server works off one request after the other: the session's next line shows what became of its last. */
function settleLast(
  fold: Fold,
  session: Session,
  line: JournalLine,
  event: LogEvent,
  start: string,
  out: Outcome[],
): void {
  const refusal = event.kind === 'status' && isFailure(event.status);
  if (session.closing !== null) {
    const upload = session.held.at(-1);
    answerClose(session, refusal ? event.status : null, out);
    if (upload !== undefined && session.held.at(-1) !== upload)
      noteReleased(peersOf(fold, session), session, upload.path);
  } else if (session.operation !== null) {
    if (refusal && isCertain(session, event.status)) refuseOperation(session, event.status, start, out);
    else applyOperation(session, peersOf(fold, session), start, out);
  } else if (refusal && session.lastOpened !== null) doubtOpening(session, event.status, start, line, out);
  else if (refusal && event.status === 'Failure') {
    // Writes have no lines of their own.
    const isAnswer = session.askedAt !== null && line.at - session.askedAt <= REFUSAL_MS;
    if (!isAnswer) taintOnlyWriter(session);
  }
}

function openSession(
  fold: Fold,
  line: JournalLine,
  event: EventOf<'session-opened'>,
  partners: Partners,
  out: Outcome[],
): void {
  if (line.uid !== 0 && !mayBe(partners, line.uid, event.user)) {
    out.push(forged(line, event.user));
    return;
  }
  const before = fold.sessions.get(line.pid);
  const isChannel = before !== undefined && addChannel(fold, before, line, event);
  if (before !== undefined && !isChannel) endSession(fold, before, before.lastAt, partners, out);
  const session = isChannel ? before : newSession(line, event.user, event.address);
  if (!isChannel) addSession(fold, session);
  out.push(sessionActivity(session, line, 'CONNECTED', 'session opened'));
}

/** Somebody logged in to a process of this pid: whoever had it before is gone. */
function endFormer(fold: Fold, line: JournalLine, partners: Partners, out: Outcome[]): void {
  const former = fold.sessions.get(line.pid);
  if (former !== undefined) endSession(fold, former, former.lastAt, partners, out);
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
  applyOperation(session, peersOf(fold, session), start, out);
  endHandles(session, at, told, start, out);
  removeSession(fold, session);
}

/** A refusal comes at once; an operation without one after this long has succeeded. In ms. */
const REFUSAL_MS = 1_000;
/** Closing a file of a network mount writes out what is left of it, so an answer may take longer. In ms. */
const CLOSE_MS = 10_000;
/** A whole file under a temporary name counts under that name when no rename came for this long. In ms. */
const RENAME_MS = 60_000;

/**
 * Settles what only the passing of time can settle.
 * @param clock how far the journal is known, in ms since 1970: the last line's time while lines keep coming
 */
export function settleSessions(fold: Fold, clock: number, partners: Partners, out: Outcome[]): void {
  for (const session of fold.sessions.values()) {
    if (session.operation !== null && clock - session.operation.at > REFUSAL_MS)
      applyOperation(session, peersOf(fold, session), partners.startDirectory(session.user), out);
    if (session.closing !== null && clock - session.lastAt > CLOSE_MS) answerClose(session, null, out);
    release(session, (_path, closedAt) => clock - closedAt > RENAME_MS, out);
  }
}

function endOtherBoots(fold: Fold, boot: string, partners: Partners, out: Outcome[]): void {
  for (const session of [...fold.sessions.values()]) {
    if (session.boot !== boot) endSession(fold, session, session.lastAt, partners, out);
  }
  fold.boot = boot;
}
