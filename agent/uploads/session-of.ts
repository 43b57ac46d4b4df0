import { forged } from './activities.ts';
import { noteHeld } from './held-index.ts';
import type { JournalLine } from './journal-line.ts';
import type { Outcome } from './outcome.ts';
import type { EventOf, LogEvent } from './parse.ts';
import type { Session } from './state.ts';

/** The accounts that may upload, so that no other process of the host can speak for a partner. */
export interface Partners {
  nameOf(uid: number): string | undefined;
  uidOf(name: string): number | undefined;
  /** Whether a uid is one that partners' accounts get. */
  isPartnerUid(uid: number): boolean;
  /** Where the user's sessions start: relative names in the log are relative to it. */
  startDirectory(user: string | null): string;
}

/** The sessions under way, by pid. Changed in place by the functions below and by nothing else. */
export interface Fold {
  readonly sessions: Map<number, Session>;
  boot: string;
  /** The same sessions by user, where that is known. */
  readonly byUser: Map<string, Set<Session>>;
}

export function addSession(fold: Fold, session: Session): void {
  fold.sessions.set(session.pid, session);
  if (session.user === null) return;
  const peers = fold.byUser.get(session.user);
  if (peers === undefined) fold.byUser.set(session.user, new Set([session]));
  else {
    peers.add(session);
    for (const { path } of session.held) noteHeld(peers, session, path);
  }
}

export function removeSession(fold: Fold, session: Session): void {
  fold.sessions.delete(session.pid);
  if (session.user === null) return;
  const peers = fold.byUser.get(session.user);
  peers?.delete(session);
  if (peers?.size === 0) fold.byUser.delete(session.user);
}

/** @returns all sessions of the session's user, itself among them: they see the same files */
export function peersOf(fold: Fold, session: Session): Iterable<Session> {
  return (session.user === null ? undefined : fold.byUser.get(session.user)) ?? [session];
}

/**
 * A user who is gone from the accounts by the time the line is read is believed, if the uid is one that only partners
 * get and nobody else's now: any process of the host can write to the partner sshd's journal.
 */
export function mayBe(partners: Partners, uid: number, user: string): boolean {
  const name = partners.nameOf(uid);
  if (name !== undefined) return name === user;
  return partners.isPartnerUid(uid) && partners.uidOf(user) === undefined;
}

/** What a session whose opening was not seen may begin with. */
const BEGINNINGS: ReadonlySet<LogEvent['kind']> = new Set([
  'opened',
  'cut-open',
  'closed',
  'cut-close',
  'renamed',
  'changed',
  'write-failed',
]);

/** The session that a line belongs to; one whose opening was never seen is made up from the kernel's word. */
export function sessionOf(
  fold: Fold,
  line: JournalLine,
  event: LogEvent,
  partners: Partners,
  out: Outcome[],
): Session | undefined {
  const session = fold.sessions.get(line.pid);
  if (session !== undefined) {
    if (session.uid === line.uid) return session;
    // sshd's own lines of the pid, as root or as the user, are no business of the sftp session.
    if (line.identifier === 'internal-sftp') out.push(forged(line, session.user));
    return undefined;
  }
  if (!BEGINNINGS.has(event.kind)) return undefined;
  const user = line.uid === 0 ? null : partners.nameOf(line.uid);
  if (user === undefined) {
    out.push(forged(line, null));
    return undefined;
  }
  const made = newSession(line, user, null);
  addSession(fold, made);
  return made;
}

/**
 * Counts one more SFTP channel of a connection in. Where the log comes through sshd's monitor all of them have its pid,
 * and sshd tells of the login once: no login came between, so it is the same connection still. Which of them a line is
 * about nobody can tell.
 * @returns whether it is one
 */
export function addChannel(
  fold: Fold,
  session: Session,
  line: JournalLine,
  { user, address }: EventOf<'session-opened'>,
): boolean {
  if (line.uid !== 0 || session.uid !== 0) return false;
  if (session.user === null) {
    // Its opening was not seen; this one tells whose it is.
    removeSession(fold, session);
    session.user = user;
    session.address = address;
    addSession(fold, session);
  }
  if (session.user !== user || session.address !== address) return false;
  session.channels += 1;
  return true;
}

export function newSession(line: JournalLine, user: string | null, address: string | null): Session {
  return {
    id: line.id,
    pid: line.pid,
    uid: line.uid,
    boot: line.boot,
    startTicks: null,
    heardMs: monotonicMsOf(line.cursor),
    user,
    address,
    channels: 1,
    verbose: false,
    openedAt: line.at,
    lastAt: line.at,
    handles: [],
    forgotten: 0,
    forgottenFault: null,
    held: [],
    closing: null,
    askedAt: null,
    operation: null,
    lastOpened: null,
  };
}

/** @param cursor of the journal: its `m` is CLOCK_MONOTONIC in microseconds, as hexadecimal digits */
function monotonicMsOf(cursor: string): number | null {
  const microseconds = /;m=([0-9a-f]+)/.exec(cursor)?.[1];
  return microseconds === undefined ? null : Number.parseInt(microseconds, 16) / 1000;
}
