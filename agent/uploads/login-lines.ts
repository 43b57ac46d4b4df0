import type { LogEvent } from './parse.ts';

const OTHER: LogEvent = { kind: 'other' };

const AUTH = /^(Accepted|Failed) (\S+) for (?:invalid user )?/;
/** Behind the user's name; what follows `ssh2` is the key, and of a certificate a text that its signer chose. */
const AUTH_FROM = /^ from (\S+) port (\d+) ssh2(.*)$/;
const AUTH_TAIL = /^(?:: \S+ (\S+)(?: ID .* \(serial \d+\) CA \S+ \S+)?)?(?: \[preauth\])?$/;
const GAVE_UP =
  /^(?:Connection (?:closed|reset) by|Disconnected from|Disconnecting) (?:authenticating|invalid) user (.*) (\S+) port (\d+)(?::.*)? \[preauth\]$/;

/**
 * A stranger chooses the user's name, and the text of a certificate: either may look like the address. sshd's own end
 * of the line is well-formed, so that a line with two readings was made to confuse, and says nothing.
 */
export function authEvent(message: string): LogEvent {
  const beginning = AUTH.exec(message);
  if (beginning === null) return OTHER;
  const [{ length: start }, verb, method = ''] = beginning;
  const kind = verb === 'Accepted' ? 'accepted' : 'failed';
  let event = OTHER;
  for (let at = message.indexOf(' from ', start); at >= 0; at = message.indexOf(' from ', at + 1)) {
    const from = AUTH_FROM.exec(message.slice(at));
    const tail = from !== null ? AUTH_TAIL.exec(from[3] ?? '') : null;
    if (from === null || tail === null) continue;
    if (event !== OTHER) return OTHER;
    const [, address = '', port] = from;
    const user = message.slice(start, at);
    event = { kind, method, user, address, port: Number(port), fingerprint: tail[1] ?? null };
  }
  return event;
}

function gaveUpEvent(message: string): LogEvent {
  const match = GAVE_UP.exec(message);
  if (match === null) return OTHER;
  const [, user = '', address = '', port] = match;
  return { kind: 'gave-up', user, address, port: Number(port) };
}

/** @param message of sshd's child before authentication, which the monitor has passed on with a suffix */
export function preauthEvent(message: string): LogEvent {
  return message.startsWith('Failed ') ? authEvent(message) : gaveUpEvent(message);
}
