import { answerClose } from '../../../agent/uploads/closing.ts';
import { type JournalLine, journalLineOf } from '../../../agent/uploads/journal-line.ts';
import type { Outcome } from '../../../agent/uploads/outcome.ts';
import type { Fold, Partners } from '../../../agent/uploads/session-of.ts';
import { createFold, foldLine } from '../../../agent/uploads/sessions.ts';

export const BOOT = '084ee5942b684ec993453dcdb6fe5302';
export const T0 = 1_795_481_640_000;

/** alice has uid 230001, bob 230002. */
export const PARTNERS: Partners = {
  nameOf: (uid) => ({ 230001: 'alice', 230002: 'bob' })[uid],
  uidOf: (name) => ({ alice: 230001, bob: 230002 })[name],
  isPartnerUid: (uid) => uid >= 200_000,
  startDirectory: () => '/upload',
};

export interface Written {
  pid?: number;
  uid?: number;
  identifier?: string;
  boot?: string;
  at?: number;
}

/** A journal that numbers its lines as journald does, one every 10 ms. */
export function createJournal() {
  let sequence = 0;
  const text = (message: string, by: Written = {}): string => {
    sequence += 1;
    const at = by.at ?? T0 + sequence * 10;
    return JSON.stringify({
      __CURSOR: `s=b2099b6b7293417c9c981746761d7245;i=${sequence.toString(16)};b=${BOOT};m=1;t=2;x=3`,
      __REALTIME_TIMESTAMP: String(at * 1000),
      __MONOTONIC_TIMESTAMP: '1',
      _BOOT_ID: by.boot ?? BOOT,
      _PID: String(by.pid ?? 100),
      _UID: String(by.uid ?? 230001),
      SYSLOG_IDENTIFIER: by.identifier ?? 'internal-sftp',
      MESSAGE: message,
    });
  };
  const line = (message: string, by: Written = {}): JournalLine => {
    const parsed = journalLineOf(text(message, by));
    if (parsed === undefined) throw new Error(`no journal line: ${message}`);
    return parsed;
  };
  return { text, line };
}

/**
 * Folds messages of one session of alice's, unless an entry says otherwise. A close at the end of them has succeeded,
 * unless `settled` is false.
 */
export function foldAll(
  messages: readonly (string | readonly [string, Written])[],
  fold: Fold = createFold([]),
  settled = true,
): { outcomes: Outcome[]; fold: Fold } {
  const journal = createJournal();
  const outcomes: Outcome[] = [];
  for (const each of messages) {
    const [message, by] = typeof each === 'string' ? [each, {}] : each;
    foldLine(fold, journal.line(message, by), PARTNERS, outcomes);
  }
  if (settled)
    for (const session of fold.sessions.values())
      if (session.closing !== null) answerClose(session, null, outcomes);
  return { outcomes, fold };
}

/** Uploads in short: `whole /upload/a 3`, `partial /upload/b 5 interrupted`. */
export function uploadsOf(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap((outcome) => {
    if (outcome.kind === 'whole') return [`whole ${outcome.upload.path} ${outcome.upload.bytes}`];
    if (outcome.kind === 'partial')
      return [`partial ${outcome.upload.path} ${outcome.upload.bytes} ${outcome.reason}`];
    return [];
  });
}

export const OPENED = 'session opened for local user alice from [127.0.0.1]';
export const CLOSED = 'session closed for local user alice from [127.0.0.1]';
export const openNew = (name: string) => `open "${name}" flags WRITE,CREATE,TRUNCATE mode 0644`;
export const close = (name: string, written: number) => `close "${name}" bytes read 0 written ${written}`;
