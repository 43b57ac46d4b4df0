import { beginClose, breakOff } from './closing.ts';
import { chrootPathOf, wholeLetters } from './file-name.ts';
import { takeForgotten } from './handle-limits.ts';
import type { JournalLine } from './journal-line.ts';
import type { Outcome } from './outcome.ts';
import type { EventOf } from './parse.ts';
import type { Handle, Session, Upload } from './state.ts';

export function openHandle(session: Session, line: JournalLine, event: EventOf<'opened'>): void {
  const { name, writes, fresh } = event;
  session.handles.push({
    id: line.id,
    name,
    writes,
    fresh,
    refused: 'no',
    cut: false,
    fault: null,
    readFault: null,
    movedTo: null,
    movedAt: null,
    size: null,
    gone: null,
    mayBeClosed: false,
    openedAt: line.at,
  });
  session.lastOpened = line.id;
}

/** Ends a handle: an upload, a download, or nothing worth a word. */
export function closeHandle(
  session: Session,
  line: JournalLine,
  event: EventOf<'closed'>,
  startDirectory: string,
  out: Outcome[],
): void {
  const handle = takeHandle(session, event);
  const isEmptied = handle?.fresh === true || (handle?.size ?? null) !== null;
  const isForgotten = handle === undefined && session.forgotten > 0 && event.read === 0;
  if (event.written === 0 && !isForgotten && !(handle?.writes && (isEmptied || event.forced))) {
    // A file that is empty is downloaded whole without a byte read.
    const wasRead = handle !== undefined && !handle.writes && !handle.cut && handle.refused === 'no';
    const fault = handle?.readFault ?? null;
    if (event.read > 0 || wasRead) out.push(download(session, line, event, fault, startDirectory));
    return;
  }
  const size = handle?.size ?? (handle?.fresh === true ? event.written : null);
  const sizes = { bytes: event.written, size };
  const upload = uploadOf(session, line.id, line.at, handle, event.name, startDirectory, sizes);
  const fault = isForgotten ? takeForgotten(session) : (handle?.fault ?? null);
  endUpload(session, upload, event.forced ? 'interrupted' : fault, out);
}

function endUpload(session: Session, upload: Upload, fault: string | null, out: Outcome[]): void {
  if (fault === null) beginClose(session, upload, out);
  else breakOff(session, upload, fault, out);
}

/** sshd cut the name off the opening line, and with it whether the file is to be read or written. */
export function openCutHandle(session: Session, line: JournalLine, event: EventOf<'cut-open'>): void {
  openHandle(session, line, { kind: 'opened', name: event.beginning, writes: false, fresh: false });
  const handle = session.handles.at(-1);
  if (handle !== undefined) handle.cut = true;
}

/** sshd cut the bytes off the closing line, and perhaps the end of the name. */
export function closeCutHandle(
  session: Session,
  line: JournalLine,
  event: EventOf<'cut-close'>,
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
  const sizes = { bytes: null, size: handle.size };
  const upload = uploadOf(session, line.id, line.at, handle, handle.name, startDirectory, sizes);
  endUpload(session, upload, event.forced ? 'interrupted' : handle.fault, out);
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
  // Before what broke off, which may have been written over one of them.
  for (const upload of session.held) out.push({ kind: 'whole', upload });
  for (const handle of session.handles) {
    const wasOpen = handle.refused === 'no' || (handle.refused === 'perhaps' && !told);
    if (handle.writes && wasOpen && !handle.mayBeClosed) out.push(lost(session, handle, at, startDirectory));
  }
  if (session.forgotten > 0) out.push(forgotten(session, at));
  session.handles = [];
  session.held = [];
  session.closing = null;
  session.forgotten = 0;
}

function lost(session: Session, handle: Handle, at: number, startDirectory: string): Outcome {
  const id = `${handle.id}.lost`;
  // What others renamed after the session was last heard of had its old name when it broke off.
  const then = handle.movedAt !== null && handle.movedAt > at ? { ...handle, movedTo: null } : handle;
  const upload = uploadOf(session, id, at, then, handle.name, startDirectory, UNKNOWN_SIZES);
  return { kind: 'partial', upload, reason: 'the session vanished' };
}

/** Their names are not known any more, so nothing can be counted. */
function forgotten(session: Session, at: number): Outcome {
  return {
    kind: 'activity',
    id: `${session.id}.forgotten`,
    at,
    level: 'warn',
    type: 'ERROR',
    message: 'files were being written when the session ended; too many were open to tell which',
    actor: { session: session.id, user: session.user, address: session.address },
    fields: { files: session.forgotten },
  };
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
    ...(handle?.gone != null && { gone: handle.gone }),
  };
}

/**
 * The handle that a closing line ends: of several with one name, the first that was opened without doubt and fits what
 * was done with it. Nothing read and nothing written is more likely an empty upload than a file that was not read,
 * unless reading it failed.
 */
function takeHandle(session: Session, { name, read, written }: EventOf<'closed'>): Handle | undefined {
  const { handles } = session;
  let found = -1;
  let best = 0;
  const isIdle = read === 0 && written === 0;
  const enough = isIdle ? 4 : 3;
  for (let index = 0; index < handles.length && best < enough; index += 1) {
    const handle = handles[index];
    if (handle === undefined || handle.name !== name) continue;
    const fits = handle.writes === (written > 0 || read === 0);
    const isDoubtful = handle.refused !== 'no' || handle.mayBeClosed;
    const rank = isDoubtful ? 1 : isIdle && handle.readFault !== null ? 4 : fits ? 3 : 2;
    if (rank <= best) continue;
    best = rank;
    found = index;
  }
  return found < 0 ? undefined : handles.splice(found, 1)[0];
}

function download(
  session: Session,
  line: JournalLine,
  event: EventOf<'closed'>,
  fault: string | null,
  startDirectory: string,
): Outcome {
  return {
    kind: 'activity',
    id: line.id,
    at: line.at,
    level: 'info',
    type: event.forced || fault !== null ? 'ERROR' : 'CLOSE',
    message: event.forced ? 'download interrupted' : fault === null ? 'download complete' : 'download failed',
    actor: { session: session.id, user: session.user, address: session.address },
    fields: {
      path: chrootPathOf(event.name, startDirectory),
      'bytes-out': event.read,
      ...(fault !== null && { reason: fault }),
    },
  };
}
