import { isTemporaryName } from './file-name.ts';
import type { Outcome } from './outcome.ts';
import type { Session, Upload } from './state.ts';

/** A client that renames its files only at the end of a session holds this many back, at most. */
const MOST_HELD = 1_000;

/**
 * Holds an upload until its close is answered. sshd writes the line before close(2), which is where a network mount
 * tells of what it could not write (close(2), "Dealing with error returns"); only a failure has a line of its own.
 */
export function beginClose(session: Session, upload: Upload, out: Outcome[]): void {
  session.held.push(upload);
  session.closing = upload.id;
  const oldest = session.held.length > MOST_HELD ? session.held.shift() : undefined;
  if (oldest !== undefined) out.push({ kind: 'whole', upload: oldest });
}

/**
 * What came after a close settles it.
 * @param status that refused the session's last request, or null
 */
export function answerClose(session: Session, status: string | null, out: Outcome[]): void {
  const { closing, held } = session;
  session.closing = null;
  // Another session may have renamed it meanwhile: then it is that one's.
  const index = held.findLastIndex(({ id }) => id === closing);
  const upload = held[index];
  if (upload === undefined) return;
  // Of what close(2) can fail with, sshd makes these two.
  if (status === 'Failure' || status === 'Permission denied') {
    held.splice(index, 1);
    breakOff(session, upload, 'closing the file failed', out);
  } else if (upload.gone !== undefined || upload.uploadedAs !== null || !isTemporaryName(upload.path)) {
    held.splice(index, 1);
    out.push({ kind: 'whole', upload });
  }
}

/** A file that is not whole; one of its name that waits for a rename was whole until then. */
export function breakOff(session: Session, upload: Upload, reason: string, out: Outcome[]): void {
  if (session.held.length > 0 && upload.gone === undefined) {
    const { held } = session;
    session.held = held.filter(({ path }) => path !== upload.path);
    for (const each of held) if (each.path === upload.path) out.push({ kind: 'whole', upload: each });
  }
  out.push({ kind: 'partial', upload, reason });
}
