import fc from 'fast-check';
import { expect, it } from 'vitest';
import { snapshot } from '../../../agent/uploads/commit.ts';
import type { JournalLine } from '../../../agent/uploads/journal-line.ts';
import { createFold, foldLine } from '../../../agent/uploads/sessions.ts';
import { emptyUploadState, loadUploadState, type UploadState } from '../../../agent/uploads/state.ts';
import { createTally, type Effects, takeEffects, tallyOutcome } from '../../../agent/uploads/tally.ts';
import { CLOSED, createJournal, OPENED, openNew, PARTNERS, T0 } from './journal-fixture.ts';

const SCHEDULE = { exportDelayMs: 60_000, deadlineMs: 900_000 };

/** Reads lines from a state to the next, as the feed does between two commits. */
function read(from: UploadState, lines: readonly JournalLine[]): { state: UploadState; effects: Effects } {
  const fold = createFold(from.sessions);
  const tally = createTally(from.outstanding, from.totals);
  for (const line of lines) {
    const outcomes: Parameters<typeof foldLine>[3] = [];
    foldLine(fold, line, PARTNERS, outcomes);
    for (const outcome of outcomes) tallyOutcome(tally, outcome, SCHEDULE);
  }
  const effects = takeEffects(tally);
  const last = lines.at(-1);
  const position = last === undefined ? from.position : { cursor: last.cursor, at: last.at };
  const state = snapshot(from.since, position, fold, tally, [], 0);
  // What a restart sees is what JSON and the check of the checkpoint leave of it.
  const loaded = loadUploadState(JSON.parse(JSON.stringify(state)), 0);
  expect(loaded.problem).toBeUndefined();
  return { state: loaded.state, effects };
}

const name = fc.constantFrom('/upload/a', '/upload/b.part', '/upload/d/c', 'rel', '/upload/q" new "r');
const message = fc.oneof(
  { weight: 3, arbitrary: name.map(openNew) },
  { weight: 1, arbitrary: name.map((each) => `open "${each}" flags WRITE,APPEND mode 0644`) },
  {
    weight: 4,
    arbitrary: fc.tuple(name, fc.nat(99)).map(([each, n]) => `close "${each}" bytes read 0 written ${n}`),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(name, fc.nat(99))
      .map(([each, n]) => `forced close "${each}" bytes read 0 written ${n}`),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(name, name).map(([from, to]) => `posix-rename old "${from}" new "${to}"`),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('rename old "/upload/d" new "/upload/e"', 'remove name "/upload/a"'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'sent status Failure',
      'sent status No such file',
      'stat name "/x"',
      'received client version 3',
    ),
  },
  { weight: 1, arbitrary: fc.constant('write "/upload/a": No space left on device') },
  { weight: 1, arbitrary: fc.constantFrom(OPENED, CLOSED) },
);
const entry = fc.record({
  message,
  pid: fc.constantFrom(100, 101, 102),
  boot: fc.constantFrom('b1', 'b1', 'b1', 'b2'),
});

it('gives the same counts and the same lines, wherever it was killed and however often', () => {
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 60 }),
      fc.array(fc.nat(60), { maxLength: 4 }),
      (entries, cuts) => {
        const journal = createJournal();
        const lines = entries.map(({ message: text, pid, boot }) => journal.line(text, { pid, boot }));
        const whole = read(emptyUploadState(T0), lines);

        let state = emptyUploadState(T0);
        const counts: unknown[] = [];
        const logged: unknown[] = [];
        const bounds = [...cuts.filter((cut) => cut < lines.length).sort((a, b) => a - b), lines.length];
        let from = 0;
        for (const to of bounds) {
          // A kill before the commit throws this away; the same stretch is then read once more.
          read(state, lines.slice(from, Math.min(lines.length, to + 3)));
          const part = read(state, lines.slice(from, to));
          state = part.state;
          counts.push(...part.effects.counts);
          logged.push(...part.effects.lines);
          from = to;
        }
        expect(counts).toEqual(whole.effects.counts);
        expect(logged).toEqual(whole.effects.lines);
        expect(state).toEqual(whole.state);
      },
    ),
    { numRuns: 500 },
  );
});

it('names every line of the log once', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 80 }), (entries) => {
      const journal = createJournal();
      const lines = entries.map(({ message: text, pid, boot }) => journal.line(text, { pid, boot }));
      const ids = read(emptyUploadState(T0), lines).effects.lines.map(({ fields }) => fields['event-id']);
      expect(new Set(ids).size).toBe(ids.length);
    }),
    { numRuns: 500 },
  );
});

it('counts every file that a close with bytes ended, exactly once', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 80 }), (entries) => {
      const journal = createJournal();
      const lines = entries.map(({ message: text, pid, boot }) => journal.line(text, { pid, boot }));
      const end = journal.line('hello', { pid: 1, uid: 0, boot: 'end' });
      const { counts } = read(emptyUploadState(T0), [...lines, end]).effects;
      const sum = (wanted: string) =>
        counts.filter((count) => count.name === wanted).reduce((total, { value }) => total + value, 0);
      const closes = entries.filter(({ message: text }) => /^close .* written [1-9]\d*$/.test(text)).length;
      // Zero-byte uploads add to the whole, faults and vanished sessions to the partial ones; none is lost.
      expect(sum('UploadCount') + sum('PartialUploads')).toBeGreaterThanOrEqual(closes);
      const opens = entries.filter(({ message: text }) => text.startsWith('open "')).length;
      const ends = entries.filter(({ message: text }) =>
        /^(forced )?close .* written [1-9]\d*$/.test(text),
      ).length;
      expect(sum('UploadCount') + sum('PartialUploads')).toBeLessThanOrEqual(opens + ends);
    }),
  );
});
