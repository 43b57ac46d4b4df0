import { journalLineOf } from '../../agent/uploads/journal-line.ts';
import type { Outcome } from '../../agent/uploads/outcome.ts';
import type { Partners } from '../../agent/uploads/session-of.ts';
import { createFold, foldLine } from '../../agent/uploads/sessions.ts';
import { NO_TOTALS } from '../../agent/uploads/state.ts';
import { createTally, type Tally, takeEffects, tallyOutcome } from '../../agent/uploads/tally.ts';
import { confusingJournal } from '../storm/confusing-journal.ts';
import type { Report, Suite } from './report.ts';

const LINES = 1_000_000;
const REPETITIONS = 3;
const GOAL_LINES_PER_SECOND = 250_000;
/** As many as the feed takes in a turn. */
const BATCH = 4_000;
const SCHEDULE = { exportDelayMs: 60_000, deadlineMs: 900_000 };

/** How fast a core reads the journal: JSON, sshd's words, sessions and counts, with names chosen to be slow. */
export const UPLOADS: Suite = { name: 'uploads', run };

async function run({ figure, note }: Report): Promise<void> {
  note(`making ${LINES.toLocaleString('en')} lines`);
  const journal = confusingJournal(1, LINES);
  const folding: number[] = [];
  const counting: number[] = [];
  for (let repetition = 1; repetition <= REPETITIONS; repetition += 1) {
    note(`reading them, ${repetition} of ${REPETITIONS}`);
    folding.push(rateOf(() => read(journal.lines, journal.partners, countWhole)));
    const tally = createTally([], NO_TOTALS);
    counting.push(
      rateOf(() => {
        read(journal.lines, journal.partners, (outcomes) => countAll(tally, outcomes));
        return tally.totals.completed;
      }),
    );
  }
  figure({
    name: 'journal lines through parse and fold, one core',
    value: median(folding),
    unit: 'lines/s',
    atLeast: GOAL_LINES_PER_SECOND,
  });
  figure({
    name: 'the same with counts and log lines made of them',
    value: median(counting),
    unit: 'lines/s',
  });

  function rateOf(work: () => number): number {
    const began = performance.now();
    const files = work();
    const rate = LINES / ((performance.now() - began) / 1000);
    if (files !== journal.truth.whole) throw new Error(`${files} counted of ${journal.truth.whole} files`);
    return rate;
  }
}

/** Hands the outcomes on as often as the feed does. @returns the sum of what `take` gives for them */
function read(lines: readonly string[], partners: Partners, take: (outcomes: Outcome[]) => number): number {
  const fold = createFold([]);
  const outcomes: Outcome[] = [];
  let sum = 0;
  for (const [index, text] of lines.entries()) {
    const line = journalLineOf(text);
    if (line !== undefined) foldLine(fold, line, partners, outcomes);
    if (index % BATCH > 0) continue;
    sum += take(outcomes);
    outcomes.length = 0;
  }
  return sum + take(outcomes);
}

const countWhole = (outcomes: readonly Outcome[]) => outcomes.filter(({ kind }) => kind === 'whole').length;

function countAll(tally: Tally, outcomes: readonly Outcome[]): number {
  for (const outcome of outcomes) tallyOutcome(tally, outcome, SCHEDULE);
  takeEffects(tally);
  // What is on its way to the bucket leaves the book when its version was seen.
  tally.book.clear();
  return 0;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
