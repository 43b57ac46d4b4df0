import { answerClose } from './closing.ts';
import { applyOperation } from './operations.ts';
import type { Outcome } from './outcome.ts';
import { type Fold, type Partners, peersOf } from './session-of.ts';

/**
 * Lines were lost: what waited for an answer has had it, and what is open may have been closed since. Such a file is
 * an upload when its closing line comes after all; if none comes it is in the gap, which has been told, and not a
 * file that broke off.
 */
export function foldGap(fold: Fold, partners: Partners, out: Outcome[]): void {
  for (const session of fold.sessions.values()) {
    if (session.closing !== null) answerClose(session, null, out);
    applyOperation(session, peersOf(fold, session), partners.startDirectory(session.user), out);
    session.lastOpened = null;
    session.askedAt = null;
    for (const handle of session.handles) handle.mayBeClosed = true;
  }
}
