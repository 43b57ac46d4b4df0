import type { Config } from '../config.ts';
import type { Edges } from '../os/edges.ts';
import { type Delivery, MOST_REQUESTS, objectKey } from './delivery.ts';
import { bookKey, dueOf, judge, type Sighting, scheduleOf, type Verdict } from './delivery-plan.ts';
import { readExportError } from './export-error.ts';
import { proveByFile } from './file-proof.ts';
import type { FileQuestion } from './file-question.ts';
import type { Outstanding } from './state.ts';
import { type Tally, tallyVerdict } from './tally.ts';

/** The list of what is due is made this often: with 100,000 uploads on their way it takes some ms. */
const LIST_EVERY_MS = 1_000;
const MOST_LISTED = 5_000;
/** When S3 gives no answers, it is left alone for this long. */
const COOL_OFF_MS = 5_000;
/** It gives none once so many objects in a row got none: one that is denied is that object's own affair. */
const MOST_UNANSWERED = MOST_REQUESTS;
/** Answers that wait to be taken in. */
const MOST_ANSWERS = 2_000;

export interface DeliveryRound {
  /** Takes in the answers that have come, and asks about what is due. Never waits. */
  turn(signal: AbortSignal): void;
  /** Why S3 gives no answers, or null. */
  problem(): string | null;
}

interface Answer {
  readonly item: Outstanding;
  readonly sighting: Sighting;
  readonly verdict: Verdict;
  /** When it came, in ms since 1970. */
  readonly at: number;
  readonly exportError: string | null;
}

/**
 * Keeps a bounded number of questions to S3 under way, apart from the reading of the log.
 * @param isOpen whether a session has an upload's file open again: what it holds then is no proof of the upload
 */
export function createDeliveryRound(
  tally: Tally,
  config: () => Config,
  delivery: Pick<Delivery, 'look'>,
  askFile: FileQuestion,
  isOpen: (item: Pick<Outstanding, 'user' | 'path'>) => boolean,
  edges: Pick<Edges, 'now' | 'monotonicMs'>,
): DeliveryRound {
  const asking = new Set<string>();
  const answers: Answer[] = [];
  /** Objects about which S3 said nothing since it last answered. */
  const unanswered = new Set<string>();
  let listed: Outstanding[] = [];
  let listedAt = Number.NEGATIVE_INFINITY;
  let coolUntil = Number.NEGATIVE_INFINITY;
  let problem: string | null = null;

  const ask = async (item: Outstanding, signal: AbortSignal) => {
    const sighting = await delivery.look(item, signal);
    if (sighting.kind !== 'unknown') unanswered.clear();
    else if (unanswered.add(item.id).size >= MOST_UNANSWERED) coolUntil = edges.monotonicMs() + COOL_OFF_MS;
    const at = edges.now();
    const schedule = scheduleOf(config());
    // The file is asked now, in the background, so that taking in the answer never waits for a child.
    let verdict = judge(item, sighting, at, schedule);
    if (verdict.kind !== 'delivered' && !isOpen(item)) {
      const proven = await proveByFile(item, sighting, schedule, askFile);
      if (proven !== undefined && !isOpen(item)) verdict = proven;
    }
    const exportError = verdict.kind === 'overdue' ? await readExportError(askFile, item) : null;
    asking.delete(item.id);
    if (signal.aborted) return;
    answers.push({ item, sighting, verdict, at, exportError });
    fill(signal);
  };

  /** Asks at each answer, too: a turn of a quiet log takes a quarter of a second, and S3 some milliseconds. */
  const fill = (signal: AbortSignal) => {
    while (
      asking.size < MOST_REQUESTS &&
      answers.length + asking.size < MOST_ANSWERS &&
      edges.monotonicMs() >= coolUntil
    ) {
      const item = listed.pop();
      if (item === undefined) return;
      if (asking.has(item.id) || tally.book.get(bookKey(item.user, item.path)) !== item) continue;
      asking.add(item.id);
      void ask(item, signal);
    }
  };

  const take = () => {
    for (const { item, sighting, verdict, at, exportError } of answers.splice(0)) {
      problem = sighting.kind === 'unknown' ? `the bucket can’t be asked: ${sighting.problem}` : null;
      const { bucket, prefix } = config().uploads;
      tallyVerdict(tally, item, verdict, at, { bucket, key: objectKey(prefix, item), exportError });
    }
  };

  return {
    turn: (signal) => {
      take();
      const now = edges.monotonicMs();
      if (tally.book.size === 0 || now < coolUntil || asking.size >= MOST_REQUESTS) return;
      if (listed.length === 0 && now - listedAt >= LIST_EVERY_MS) {
        listed = dueOf(tally.book, edges.now(), MOST_LISTED).reverse();
        listedAt = now;
      }
      fill(signal);
    },
    problem: () => problem,
  };
}
