import type { JournalLine } from './journal-line.ts';
import { actorOf } from './operations.ts';
import type { Activity } from './outcome.ts';
import type { EventOf } from './parse.ts';
import type { Session } from './state.ts';

export function sessionActivity(
  session: Session,
  line: JournalLine,
  type: 'CONNECTED' | 'DISCONNECTED',
  message: string,
): Activity {
  const { id, at } = line;
  return { kind: 'activity', id, at, level: 'info', type, message, actor: actorOf(session), fields: {} };
}

export function authActivity(line: JournalLine, event: EventOf<'accepted' | 'failed' | 'gave-up'>): Activity {
  const fields: Record<string, string | number | null> = {
    user: event.user,
    'source-ip': event.address,
    'source-port': event.port,
  };
  if (event.kind !== 'gave-up') {
    fields.method = event.method;
    fields['ssh-public-key-fingerprint'] = event.fingerprint;
  }
  const type = event.kind === 'accepted' ? 'AUTH_SUCCESS' : 'AUTH_FAILURE';
  const message =
    event.kind === 'accepted'
      ? 'authentication accepted'
      : event.kind === 'failed'
        ? 'authentication failed'
        : 'gave up before authentication';
  return { kind: 'activity', id: line.id, at: line.at, level: 'info', type, message, actor: null, fields };
}

export function forged(line: JournalLine, user: string | null): Activity {
  return {
    kind: 'activity',
    id: line.id,
    at: line.at,
    level: 'warn',
    type: 'ERROR',
    message: 'a log line that its sender has no right to was ignored',
    actor: null,
    fields: { user, uid: line.uid, pid: line.pid, text: line.message.slice(0, 200) },
  };
}
