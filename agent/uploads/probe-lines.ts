import { networkInterfaces } from 'node:os';
import { PROBE_USER } from '../os/account-marks.ts';
import type { JournalLine } from './journal-line.ts';
import { parseMessage } from './parse.ts';

/** Whose a line is: a session's of the probe account, sshd's own about its login, or somebody else's. */
export type ProbeLine = 'session' | 'login' | undefined;

/**
 * Tells the lines that the agent's own probe logins leave from those of partners. That an SFTP session logged is proven
 * by its own line only, under the probe's uid or through the monitor: sshd's line about the login comes from outside of
 * the chroot.
 * @param probeUid of the account, where the host has it
 */
export function probeLineOf(line: JournalLine, probeUid: number | undefined): ProbeLine {
  if (probeUid === undefined) return undefined;
  if (line.uid === probeUid) return 'session';
  if (line.uid !== 0) return undefined;
  const event = parseMessage(line.identifier, line.message);
  if (!('user' in event) || event.user !== PROBE_USER) return undefined;
  if (event.kind === 'session-opened' || event.kind === 'session-closed') return 'session';
  // The name is no secret: whoever tries it from elsewhere fails, and that is told as of any other name.
  return event.kind === 'accepted' || isThisHost(event.address) ? 'login' : undefined;
}

function isThisHost(address: string): boolean {
  if (address === '::1' || /^(?:::ffff:)?127\./.test(address)) return true;
  return Object.values(networkInterfaces()).some((each) => each?.some((own) => own.address === address));
}
