import { authEvent, preauthEvent } from './login-lines.ts';

/** What one line of the partner sshd says. Names are as sshd renders them, still encoded. */
export type LogEvent =
  | { readonly kind: 'session-opened'; readonly user: string; readonly address: string }
  | { readonly kind: 'session-closed'; readonly user: string; readonly address: string }
  | {
      readonly kind: 'opened';
      readonly name: string;
      readonly writes: boolean;
      /** Truncated, or newly made: what it holds is what gets written. */
      readonly fresh: boolean;
    }
  /** The name alone filled the line: whether the file is read or written is unknown. */
  | { readonly kind: 'cut-open'; readonly beginning: string }
  | {
      readonly kind: 'closed';
      readonly name: string;
      /** The session ended with the file open. */
      readonly forced: boolean;
      readonly read: number;
      readonly written: number;
    }
  /** The bytes are missing, and the end of the name may be. */
  | { readonly kind: 'cut-close'; readonly forced: boolean; readonly beginning: string }
  | {
      readonly kind: 'renamed';
      readonly targets: readonly { readonly from: string; readonly to: string }[];
      /** Of the new name only the beginning is there. */
      readonly cut: boolean;
    }
  | {
      readonly kind: 'changed';
      readonly verb: 'remove' | 'mkdir' | 'rmdir' | 'symlink' | 'set';
      readonly name: string;
      /** In bytes, for a set of the size. */
      readonly size?: number;
    }
  /** The session logs every request that can be refused (internal-sftp -l VERBOSE). */
  | { readonly kind: 'verbose' }
  /** The answer to the session's last request, where that is not success. */
  | { readonly kind: 'status'; readonly status: string }
  /** A read or a write failed; the name is cut after 100 bytes, or missing. */
  | { readonly kind: 'read-failed'; readonly beginning: string | null; readonly reason: string }
  | { readonly kind: 'write-failed'; readonly beginning: string | null; readonly reason: string }
  | {
      readonly kind: 'accepted' | 'failed';
      readonly method: string;
      readonly user: string;
      readonly address: string;
      readonly port: number;
      readonly fingerprint: string | null;
    }
  | {
      readonly kind: 'gave-up';
      readonly user: string;
      readonly address: string;
      readonly port: number;
    }
  | { readonly kind: 'other' };

/** The events of these kinds. */
export type EventOf<K extends LogEvent['kind']> = Extract<LogEvent, { kind: K }>;

const OTHER: LogEvent = { kind: 'other' };
const VERBOSE: LogEvent = { kind: 'verbose' };

/**
 * OpenSSH's log.c writes `syslog(pri, "%.500s", …)`: a longer message loses its end. A letter outside of ASCII takes
 * eight to sixteen of these characters, so 40 Chinese letters are enough. journald trims white space off the end.
 */
const LONGEST = 500;
/** From here on a line whose end is missing was cut, rather than being no line of sshd's. */
const CUT_FROM = LONGEST - 20;
/** From here on even an end that looks whole may lack its last letters. */
const DOUBTFUL_FROM = LONGEST - 1;

const OPEN_TAIL = /^([A-Z,]+) mode 0[0-7]*$/;
const CUT_OPEN_TAIL = /^((?:READ|WRITE|APPEND)[A-Z,]*)(?: [mode 0-7]*)?$/;
const CLOSE_TAIL = /^(\d+) written (\d+)$/;
const SESSION = /^session (opened|closed) for local user (\S+) from \[([0-9A-Fa-f:.%a-z]+|UNKNOWN)\]$/;
const FAILED = /^(?:error: )?(?:process_(?:read|write): )?(read|write) (?:"(.*)"|failed): (.+)$/;

const POSTAUTH = ' [postauth]';
const PREAUTH = ' [preauth]';

/**
 * Reads one message of sshd or internal-sftp. All patterns are anchored: lines before authentication carry text that
 * strangers chose, and names carry text that partners chose.
 * @param identifier of the line: `internal-sftp` speaks for itself, `sshd` and `sshd-session` also for their children
 */
export function parseMessage(identifier: string, message: string): LogEvent {
  if (identifier !== 'internal-sftp') {
    if (identifier !== 'sshd' && identifier !== 'sshd-session') return OTHER;
    if (message.endsWith(PREAUTH)) return preauthEvent(onceEncoded(message));
    if (message.startsWith('Accepted ') || message.startsWith('Failed ')) return authEvent(message);
    const relayed = message.endsWith(POSTAUTH)
      ? message.slice(0, -POSTAUTH.length)
      : message.length === LONGEST
        ? withoutCutSuffix(message)
        : message;
    return sftpEvent(onceEncoded(relayed), relayed.length);
  }
  return sftpEvent(message, message.length);
}

/**
 * log.c encodes a message before it hands it to the monitor, and the monitor's own log.c does so once more: each
 * backslash of a relayed line is doubled. A cut comes after that and may leave the half of one.
 */
function onceEncoded(message: string): string {
  return message.includes('\\') ? message.replaceAll('\\\\', '\\') : message;
}

/** The monitor's suffix is cut as well; before a part of it, a message that ends as sshd's do is whole. */
function withoutCutSuffix(message: string): string {
  const at = message.lastIndexOf(' [');
  const isSuffix = at >= LONGEST - POSTAUTH.length && POSTAUTH.startsWith(message.slice(at));
  return isSuffix && /["0-9]/.test(message.charAt(at - 1)) ? message.slice(0, at) : message;
}

/** @param length of the line as it was written, which shows whether it was cut */
function sftpEvent(message: string, length: number): LogEvent {
  switch (message.charCodeAt(0)) {
    case 111: // o
      return message.startsWith('open "') ? openEvent(message, length) : OTHER;
    case 99: // c
      return message.startsWith('close "') ? closeEvent(message, 7, false, length) : OTHER;
    case 102: // f
      return message.startsWith('forced close "') ? closeEvent(message, 14, true, length) : OTHER;
    case 112: // p
      if (message.startsWith('posix-rename old "')) return renameEvent(message, 18, length);
      return message.startsWith('process_') ? failedEvent(message) : OTHER;
    case 114: // r
      if (message.startsWith('rename old "')) return renameEvent(message, 12, length);
      if (message.startsWith('received client version ')) return VERBOSE;
      if (message.startsWith('remove name "')) return changeEvent('remove', message, 13, '"');
      if (message.startsWith('rmdir name "')) return changeEvent('rmdir', message, 12, '"');
      return message.startsWith('read ') ? failedEvent(message) : OTHER;
    case 109: // m
      return message.startsWith('mkdir name "') ? changeEvent('mkdir', message, 12, '" mode ') : OTHER;
    case 115: // s
      if (message.startsWith('sent status ')) return { kind: 'status', status: message.slice(12) };
      if (message.startsWith('session ')) return sessionEvent(message);
      if (message.startsWith('set "')) return setEvent(message);
      return message.startsWith('symlink old "') ? symlinkEvent(message) : OTHER;
    case 119: // w
    case 101: // e
      return failedEvent(message);
    default:
      return OTHER;
  }
}

function openEvent(message: string, length: number): LogEvent {
  const end = message.lastIndexOf('" flags ');
  const isCut = length >= CUT_FROM;
  const tail = end < 6 ? null : (isCut ? CUT_OPEN_TAIL : OPEN_TAIL).exec(message.slice(end + 8));
  if (tail === null) return isCut ? { kind: 'cut-open', beginning: message.slice(6) } : OTHER;
  const flags = tail[1] ?? '';
  const writes = flags.includes('WRITE') || flags.includes('APPEND');
  const fresh = flags.includes('TRUNCATE') || flags.includes('EXCL');
  return { kind: 'opened', name: message.slice(6, end), writes, fresh };
}

function closeEvent(message: string, start: number, forced: boolean, length: number): LogEvent {
  const end = message.lastIndexOf('" bytes read ');
  const tail = end < start ? null : CLOSE_TAIL.exec(message.slice(end + 13));
  if (tail === null || length >= DOUBTFUL_FROM)
    return length < CUT_FROM ? OTHER : { kind: 'cut-close', forced, beginning: message.slice(start) };
  const name = message.slice(start, end);
  return { kind: 'closed', name, forced, read: Number(tail[1]), written: Number(tail[2]) };
}

/** Quotes in names are not escaped, so `" new "` may stand more than once; the session knows which name exists. */
function renameEvent(message: string, start: number, length: number): LogEvent {
  const isWhole = message.endsWith('"') && length < DOUBTFUL_FROM;
  const cut = !isWhole && length >= CUT_FROM;
  if (!cut && !isWhole) return OTHER;
  const end = cut ? message.length : message.length - 1;
  const targets: { from: string; to: string }[] = [];
  for (let at = message.indexOf('" new "', start); at >= 0; at = message.indexOf('" new "', at + 1)) {
    // A name of many such pieces must not cost more than the work that it hides.
    if (targets.length < 16 && at + 7 <= end)
      targets.push({ from: message.slice(start, at), to: message.slice(at + 7, end) });
  }
  return targets.length === 0 ? OTHER : { kind: 'renamed', targets, cut };
}

function changeEvent(
  verb: 'remove' | 'mkdir' | 'rmdir',
  message: string,
  start: number,
  tail: string,
): LogEvent {
  const end = message.lastIndexOf(tail);
  if (end < start || (tail === '"' && end !== message.length - 1)) return OTHER;
  return { kind: 'changed', verb, name: message.slice(start, end) };
}

const SET_TAIL = /^" (?:size (\d+)|(?:mode|modtime|owner) [0-9A-Za-z:. -]+)$/;

function setEvent(message: string): LogEvent {
  const end = message.lastIndexOf('" ');
  const tail = end < 5 ? null : SET_TAIL.exec(message.slice(end));
  if (tail === null) return OTHER;
  const set = { kind: 'changed', verb: 'set', name: message.slice(5, end) } as const;
  return tail[1] === undefined ? set : { ...set, size: Number(tail[1]) };
}

function symlinkEvent(message: string): LogEvent {
  const middle = message.lastIndexOf('" new "');
  if (middle < 13 || !message.endsWith('"') || middle + 7 > message.length - 1) return OTHER;
  return { kind: 'changed', verb: 'symlink', name: message.slice(middle + 7, -1) };
}

function sessionEvent(message: string): LogEvent {
  const match = SESSION.exec(message);
  if (match === null) return OTHER;
  const [, verb, user = '', address = ''] = match;
  return { kind: verb === 'opened' ? 'session-opened' : 'session-closed', user, address };
}

function failedEvent(message: string): LogEvent {
  const match = FAILED.exec(message);
  if (match === null) return OTHER;
  const [, verb, beginning = null, reason = ''] = match;
  return { kind: verb === 'read' ? 'read-failed' : 'write-failed', beginning, reason };
}
