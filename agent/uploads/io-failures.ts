import type { EventOf } from './parse.ts';
import type { Handle, Session } from './state.ts';

/** Taints the files that a failed write may have been meant for: the log's name is cut, or missing. */
export function failWrites(session: Session, event: EventOf<'write-failed'>): void {
  const { beginning } = event;
  let isKnown = false;
  for (const handle of session.handles) {
    if (!handle.writes || !isMeant(handle, beginning)) continue;
    handle.fault ??= event.reason;
    isKnown ||= handle.name === beginning;
  }
  if (session.forgotten > 0 && !isKnown) session.forgottenFault ??= event.reason;
}

/** Marks the downloads that a failed read may have been for. */
export function failReads(session: Session, { beginning, reason }: EventOf<'read-failed'>): void {
  for (const handle of session.handles)
    if (!handle.writes && isMeant(handle, beginning)) handle.readFault ??= reason;
}

/** Whether a failure can be a file's. @param beginning of the name that the log gives, or null where it gives none */
function isMeant({ name }: Handle, beginning: string | null): boolean {
  if (beginning === null || name === beginning) return true;
  return lengthOf(beginning) >= FAILED_NAME_BYTES && name.startsWith(beginning);
}

/** sftp-server.c, process_read and process_write: `error_f("write \"%.100s\": %s", …)`. */
const FAILED_NAME_BYTES = 100;

/** @returns the bytes of a name that is encoded: an escape is one */
function lengthOf(rendered: string): number {
  return rendered.replace(/\\(?:[0-3][0-7]{2}|.)/g, '.').length;
}
