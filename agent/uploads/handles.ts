import { chrootPathOf, isTemporaryName, wholeLetters } from './file-name.ts';
import type { JournalLine } from './journal-line.ts';
import type { Outcome } from './outcome.ts';
import type { LogEvent } from './parse.ts';
import type { Handle, Session, Upload } from './state.ts';

type Event<K extends LogEvent['kind']> = Extract<LogEvent, { kind: K }>;

/** A client that renames its files only at the end of a session holds this many back, at most. */
const MOST_HELD = 1_000;

export function openHandle(session: Session, line: JournalLine, event: Event<'opened'>): void {
  const { name, writes, fresh } = event;
  session.handles.push({
    id: line.id,
    name,
    writes,
    fresh,
    refused: 'no',
    cut: false,
    fault: null,
    movedTo: null,
    openedAt: line.at,
  });
  session.lastOpened = line.id;
}

/** Ends a handle: an upload, a download, or nothing worth a word. */
export function closeHandle(
  session: Session,
  line: JournalLine,
  event: Event<'closed'>,
  startDirectory: string,
  out: Outcome[],
): void {
  const handle = takeHandle(session, event.name, event.written > 0);
  if (event.written === 0 && !(handle?.writes && (handle.fresh || event.forced))) {
    // A file that is empty is downloaded whole without a byte read.
    const wasRead = handle !== undefined && !handle.writes && !handle.cut && handle.refused === 'no';
    if (event.read > 0 || wasRead) out.push(download(session, line, event, startDirectory));
    return;
  }
  const sizes = { bytes: event.written, size: handle?.fresh === true ? event.written : null };
  const upload = uploadOf(session, line.id, line.at, handle, event.name, startDirectory, sizes);
  if (event.forced) out.push({ kind: 'partial', upload, reason: 'interrupted' });
  else if (handle?.fault != null) out.push({ kind: 'partial', upload, reason: handle.fault });
  else finish(session, upload, out);
}

/** sshd cut the name off the opening line, and with it whether the file is to be read or written. */
export function openCutHandle(session: Session, line: JournalLine, event: Event<'cut-open'>): void {
  openHandle(session, line, { kind: 'opened', name: event.beginning, writes: false, fresh: false });
  const handle = session.handles.at(-1);
  if (handle !== undefined) handle.cut = true;
}

/** sshd cut the bytes off the closing line, and perhaps the end of the name. */
export function closeCutHandle(
  session: Session,
  line: JournalLine,
  event: Event<'cut-close'>,
  startDirectory: string,
  out: Outcome[],
): void {
  const { beginning } = event;
  // An opening line holds one letter more of the name, or all of it, and then the closing line has a part of its tail.
  const index = session.handles.findIndex(
    ({ name }) => name.startsWith(beginning) || beginning.startsWith(`${name}"`),
  );
  const [handle] = index < 0 ? [] : session.handles.splice(index, 1);
  if (handle === undefined || handle.cut) {
    out.push({
      kind: 'unknown',
      id: line.id,
      at: line.at,
      actor: { session: session.id, user: session.user, address: session.address },
      beginning: chrootPathOf(wholeLetters(beginning), startDirectory),
    });
    return;
  }
  if (!handle.writes) return;
  const upload = uploadOf(session, line.id, line.at, handle, handle.name, startDirectory, UNKNOWN_SIZES);
  if (event.forced) out.push({ kind: 'partial', upload, reason: 'interrupted' });
  else if (handle.fault !== null) out.push({ kind: 'partial', upload, reason: handle.fault });
  else finish(session, upload, out);
}

/** Taints the files that a failed write may have been meant for: the log's name is cut, or missing. */
export function failWrites(session: Session, event: Event<'write-failed'>): void {
  for (const handle of session.handles) {
    if (handle.writes && (event.beginning === null || handle.name.startsWith(event.beginning)))
      handle.fault ??= event.reason;
  }
}

/**
 * A session's end: what it was writing broke off, what waited for a rename is whole.
 * @param told sshd told the end, and before it every file that was open still
 */
export function endHandles(
  session: Session,
  at: number,
  told: boolean,
  startDirectory: string,
  out: Outcome[],
): void {
  for (const handle of session.handles) {
    const wasOpen = handle.refused === 'no' || (handle.refused === 'perhaps' && !told);
    if (handle.writes && wasOpen) out.push(lost(session, handle, at, startDirectory));
  }
  for (const upload of session.held) out.push({ kind: 'whole', upload });
  session.handles = [];
  session.held = [];
}

function lost(session: Session, handle: Handle, at: number, startDirectory: string): Outcome {
  const id = `${handle.id}.lost`;
  const upload = uploadOf(session, id, at, handle, handle.name, startDirectory, UNKNOWN_SIZES);
  return { kind: 'partial', upload, reason: 'the session vanished' };
}

const UNKNOWN_SIZES = { bytes: null, size: null };

/** @param name as the log renders it, by which the file was opened */
function uploadOf(
  session: Session,
  id: string,
  at: number,
  handle: Handle | undefined,
  name: string,
  startDirectory: string,
  sizes: Pick<Upload, 'bytes' | 'size'>,
): Upload {
  const opened = chrootPathOf(name, startDirectory);
  const movedTo = handle?.movedTo ?? null;
  return {
    id,
    session: session.id,
    user: session.user,
    address: session.address,
    path: movedTo ?? opened,
    uploadedAs: movedTo === null ? null : opened,
    ...sizes,
    cut: false,
    openedAt: handle?.openedAt ?? null,
    closedAt: at,
    renamedAt: null,
  };
}

function finish(session: Session, upload: Upload, out: Outcome[]): void {
  if (upload.uploadedAs !== null || !isTemporaryName(upload.path)) {
    out.push({ kind: 'whole', upload });
    return;
  }
  session.held.push(upload);
  const oldest = session.held.length > MOST_HELD ? session.held.shift() : undefined;
  if (oldest !== undefined) out.push({ kind: 'whole', upload: oldest });
}

/** The handle that a closing line ends: of several with one name, the first that fits what was done with it. */
function takeHandle(session: Session, name: string, wrote: boolean): Handle | undefined {
  const { handles } = session;
  let found = -1;
  for (let index = 0; index < handles.length; index += 1) {
    const handle = handles[index];
    if (handle === undefined || handle.name !== name) continue;
    if (found < 0) found = index;
    if (handle.writes === wrote && handle.refused === 'no') {
      found = index;
      break;
    }
  }
  return found < 0 ? undefined : handles.splice(found, 1)[0];
}

function download(
  session: Session,
  line: JournalLine,
  event: Event<'closed'>,
  startDirectory: string,
): Outcome {
  return {
    kind: 'activity',
    id: line.id,
    at: line.at,
    level: 'info',
    type: event.forced ? 'ERROR' : 'CLOSE',
    message: event.forced ? 'download interrupted' : 'download complete',
    actor: { session: session.id, user: session.user, address: session.address },
    fields: { path: chrootPathOf(event.name, startDirectory), 'bytes-out': event.read },
  };
}
