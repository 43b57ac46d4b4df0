import { expect, it } from 'vitest';
import { foldGap } from '../../../agent/uploads/gap.ts';
import type { Outcome } from '../../../agent/uploads/outcome.ts';
import { createFold, endSession, foldLine } from '../../../agent/uploads/sessions.ts';
import { CLOSED, close, createJournal, OPENED, openNew, PARTNERS, T0, uploadsOf } from './journal-fixture.ts';

const FORCED = 'forced close "/upload/a" bytes read 0 written 2';

/** What is counted of one session's lines with a gap in their midst; null after them: its process is gone. */
function folded(before: readonly string[], after: readonly string[] | null): string[] {
  const fold = createFold([]);
  const journal = createJournal();
  const out: Outcome[] = [];
  const fold1 = (message: string) => foldLine(fold, journal.line(message), PARTNERS, out);
  for (const message of [OPENED, ...before]) fold1(message);
  foldGap(fold, PARTNERS, out);
  for (const message of after ?? []) fold1(message);
  for (const session of [...fold.sessions.values()]) endSession(fold, session, T0, PARTNERS, out);
  return uploadsOf(out);
}

it('counts a file that is closed after the gap, with the size that it began at empty', () => {
  expect(folded([openNew('/upload/a')], [close('/upload/a', 3), CLOSED])).toEqual(['whole /upload/a 3']);
  expect(folded([openNew('/upload/a')], [close('/upload/a', 0), CLOSED])).toEqual(['whole /upload/a 0']);
});

it('takes none for broken off whose end may be in the gap', () => {
  expect(folded([openNew('/upload/a')], [CLOSED])).toEqual([]);
  expect(folded([openNew('/upload/a')], null)).toEqual([]);
});

it('tells one that did break off after it', () => {
  expect(folded([openNew('/upload/a')], [FORCED, CLOSED])).toEqual(['partial /upload/a 2 interrupted']);
  expect(folded([], [openNew('/upload/a')])).toEqual(['partial /upload/a null the session vanished']);
});

it('does not take the closing line of a later file for that of one from before it', () => {
  const again = [openNew('/upload/a'), close('/upload/a', 4), CLOSED];
  expect(folded([openNew('/upload/a')], again)).toEqual(['whole /upload/a 4']);
});

it('does not take the first answer after it for the one that is lost', () => {
  const before = [openNew('/upload/a'), close('/upload/a', 3)];
  expect(folded(before, ['sent status Failure', CLOSED])).toEqual(['whole /upload/a 3']);
});
