import { chrootPathOf, finalNameOf, wholeLetters } from './file-name.ts';
import { noteHeld } from './held-index.ts';
import type { JournalLine } from './journal-line.ts';
import type { Activity, Outcome } from './outcome.ts';
import type { EventOf } from './parse.ts';
import type { Handle, Operation, Session } from './state.ts';

/** Remembers what was asked for; {@link applyOperation} or {@link refuseOperation} follows. */
export function beginOperation(
  session: Session,
  line: JournalLine,
  event: EventOf<'renamed' | 'changed'>,
): void {
  const { id, at } = line;
  session.operation =
    event.kind === 'renamed'
      ? { id, at, verb: 'rename', name: '', targets: [...event.targets], cut: event.cut, size: null }
      : { id, at, verb: event.verb, name: event.name, targets: [], cut: false, size: event.size ?? null };
}

/**
 * The session's next line was no refusal, so the operation took place.
 * @param peers all sessions of the user: what they have open may be the file that it was about
 */
export function applyOperation(
  session: Session,
  peers: Iterable<Session>,
  startDirectory: string,
  out: Outcome[],
): void {
  const { operation } = session;
  if (operation === null) return;
  session.operation = null;
  if (operation.verb === 'rename') {
    rename(session, peers, operation, chooseTarget(session, operation, startDirectory), startDirectory, out);
    return;
  }
  const path = chrootPathOf(operation.name, startDirectory);
  if (operation.verb === 'remove') {
    release(session, (held) => held === path, out);
    for (const handle of openBefore(session, peers, operation))
      if (pathOf(handle, startDirectory) === path) handle.gone = 'deleted';
    out.push({ kind: 'removed', id: operation.id, at: operation.at, actor: actorOf(session), path });
    return;
  }
  if (operation.size !== null) {
    for (const handle of session.handles)
      if (handle.writes && pathOf(handle, startDirectory) === path) handle.size = operation.size;
  }
  out.push(activity(session, operation, ACTIVITIES[operation.verb], path));
}

/**
 * Other sessions' lines may have come since the operation: what they opened meanwhile is another file. What the session
 * itself has open came before, whatever the clock said.
 */
function* openBefore(session: Session, peers: Iterable<Session>, { at }: Operation): Generator<Handle> {
  for (const peer of peers)
    for (const handle of peer.handles)
      if (handle.writes && handle.gone === null && (peer === session || handle.openedAt <= at)) yield handle;
}

function pathOf({ movedTo, name }: Handle, startDirectory: string): string {
  return movedTo ?? chrootPathOf(name, startDirectory);
}

/** sshd answered the operation with something else than success: nothing has changed. */
export function refuseOperation(
  session: Session,
  status: string,
  startDirectory: string,
  out: Outcome[],
): void {
  const { operation } = session;
  if (operation === null) return;
  session.operation = null;
  const rendered = operation.verb === 'rename' ? (operation.targets.at(-1)?.from ?? '') : operation.name;
  out.push({
    kind: 'activity',
    id: operation.id,
    at: operation.at,
    level: 'info',
    type: 'ERROR',
    message: `${operation.verb} refused`,
    actor: actorOf(session),
    fields: { path: chrootPathOf(rendered, startDirectory), operation: operation.verb, status },
  });
}

const ACTIVITIES = {
  mkdir: { type: 'MKDIR', message: 'directory made', level: 'info' },
  rmdir: { type: 'RMDIR', message: 'directory removed', level: 'info' },
  symlink: { type: 'CREATE_SYMLINK', message: 'symbolic link made', level: 'info' },
  set: { type: 'SETSTAT', message: 'attributes set', level: 'debug' },
} as const satisfies Record<string, Pick<Activity, 'type' | 'message' | 'level'>>;

function activity(
  session: Session,
  { id, at }: Operation,
  which: Pick<Activity, 'type' | 'message' | 'level'>,
  path: string,
): Outcome {
  return { kind: 'activity', id, at, ...which, actor: actorOf(session), fields: { path } };
}

interface Target {
  readonly from: string;
  readonly to: string;
  readonly cut: boolean;
}

interface Choice extends Target {
  /** Other readings, where nothing in the session speaks for one of them. */
  readonly others: readonly Target[];
}

/** Where quotes in the names allow several readings, the one whose old name this session has just written. */
function chooseTarget(session: Session, operation: Operation, startDirectory: string): Choice {
  const readings = operation.targets.map(({ from, to }): Target => {
    const whole = operation.cut ? finalNameOf(from, to) : to;
    return {
      from: chrootPathOf(from, startDirectory),
      to: chrootPathOf(whole ?? wholeLetters(to), startDirectory),
      cut: whole === undefined,
    };
  });
  const known = ({ from }: Target) =>
    session.held.some(({ path }) => path === from) ||
    session.handles.some(({ name }) => chrootPathOf(name, startDirectory) === from);
  const reading = readings.length > 1 ? readings.find(known) : undefined;
  if (reading !== undefined) return { ...reading, others: [] };
  return { ...(readings.at(-1) ?? { from: '/', to: '/', cut: true }), others: readings.slice(0, -1) };
}

function rename(
  session: Session,
  peers: Iterable<Session>,
  operation: Operation,
  { from, to, cut, others }: Choice,
  startDirectory: string,
  out: Outcome[],
): void {
  const below = `${from}/`;
  const moved = (path: string) => (path === from ? to : to + path.slice(from.length));
  for (const handle of openBefore(session, peers, operation)) {
    const path = pathOf(handle, startDirectory);
    if (path === from || path.startsWith(below)) {
      handle.movedTo = moved(path);
      handle.movedAt = operation.at;
    } else if (path === to && !cut) handle.gone = 'overwritten';
  }
  const { id, at } = operation;
  if (from !== to && !cut) release(session, (path) => path === to, out);
  // First of all, since what is at the new path from now on must not be taken for what was there before.
  out.push({ kind: 'moved', id, at, actor: actorOf(session), from, to, cut, others });
  const { held } = session;
  session.held = [];
  for (const upload of held) {
    if (upload.path === from) {
      out.push({
        kind: 'whole',
        upload: { ...upload, path: to, uploadedAs: upload.uploadedAs ?? from, renamedAt: at, cut },
      });
    } else if (upload.path.startsWith(below))
      session.held.push({ ...upload, path: moved(upload.path), renamedAt: at });
    else session.held.push(upload);
  }
  for (const { path, renamedAt } of session.held) if (renamedAt === at) noteHeld(peers, session, path);
}

/** Lets go of held uploads that will not be renamed any more. */
export function release(
  session: Session,
  which: (path: string, closedAt: number) => boolean,
  out: Outcome[],
): void {
  if (session.held.length === 0) return;
  const held = session.held;
  session.held = [];
  for (const upload of held) {
    if (which(upload.path, upload.closedAt)) out.push({ kind: 'whole', upload });
    else session.held.push(upload);
  }
}

export function actorOf({ id, user, address }: Session) {
  return { session: id, user, address };
}
