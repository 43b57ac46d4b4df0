/** One entry of the partner sshd's journal, reduced to what counts. */
export interface JournalLine {
  readonly cursor: string;
  /** The same for the same entry however often it is read; short enough for a log field. */
  readonly id: string;
  /** Wall clock of its reception, in ms since 1970. */
  readonly at: number;
  readonly boot: string;
  /** By the kernel's word (SCM_CREDENTIALS), not the sender's. */
  readonly pid: number;
  readonly uid: number;
  readonly identifier: string;
  readonly message: string;
}

/** The fields that {@link journalLineOf} reads besides those that journalctl always prints. */
export const JOURNAL_FIELDS = 'MESSAGE,_PID,_UID,SYSLOG_IDENTIFIER';

/**
 * Reads one line of `journalctl -o json`
 * (https://www.freedesktop.org/software/systemd/man/latest/systemd.journal-fields.html).
 * @returns undefined for what is no entry, or lacks the kernel's word on who wrote it
 */
export function journalLineOf(text: string): JournalLine | undefined {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof entry !== 'object' || entry === null) return undefined;
  const cursor = entry.__CURSOR;
  const identifier = entry.SYSLOG_IDENTIFIER;
  if (typeof cursor !== 'string' || typeof identifier !== 'string') return undefined;
  const id = idOf(cursor);
  const message = textOf(entry.MESSAGE);
  const pid = Number(entry._PID);
  const uid = Number(entry._UID ?? Number.NaN);
  const at = Number(entry.__REALTIME_TIMESTAMP) / 1000;
  if (id === undefined || message === undefined || !(pid > 0) || !(uid >= 0) || !(at > 0)) return undefined;
  const boot = entry._BOOT_ID;
  return { cursor, id, at, boot: typeof boot === 'string' ? boot : '', pid, uid, identifier, message };
}

/** The cursor's file-set id and sequence number: together they name one entry for ever. */
function idOf(cursor: string): string | undefined {
  const next = cursor.indexOf(';i=');
  if (!cursor.startsWith('s=') || next < 10) return undefined;
  const end = cursor.indexOf(';', next + 3);
  return `${cursor.slice(2, 10)}-${cursor.slice(next + 3, end < 0 ? undefined : end)}`;
}

/** journalctl prints what is not UTF-8 as an array of bytes, and a field that is too long as null. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  // A field that an entry holds twice becomes an array of texts.
  if (typeof value[0] === 'string') return value[0];
  return Buffer.from(value.filter((byte) => typeof byte === 'number')).toString('utf8');
}
