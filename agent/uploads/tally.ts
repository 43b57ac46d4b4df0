import {
  bookKey,
  type DeliveryBook,
  type DeliverySchedule,
  follow,
  forget,
  move,
  outstandingOf,
  type Superseded,
  type Verdict,
} from './delivery-plan.ts';
import {
  activityLine,
  deliveredLine,
  givenUpLine,
  overdueLine,
  partialLine,
  supersededLine,
  unknownLine,
  wholeLine,
} from './log-lines.ts';
import type { Outcome } from './outcome.ts';
import type { LogLine, Outstanding, Totals, Upload, UploadCountUpdate } from './state.ts';

/** What the agent does with what the log told: counts, and lines of its own log. */
export interface Effects {
  readonly counts: UploadCountUpdate[];
  readonly lines: LogLine[];
}

/** Outcomes and sightings come in here; effects and the uploads on their way come out. Changed in place. */
export interface Tally {
  readonly book: DeliveryBook;
  readonly totals: Totals;
  effects: Effects;
}

export function createTally(outstanding: readonly Outstanding[], totals: Totals): Tally {
  return {
    book: new Map(outstanding.map((item) => [bookKey(item.user, item.path), item])),
    totals: { ...totals },
    effects: { counts: [], lines: [] },
  };
}

/**
 * A session that vanished or hangs is noticed late: meanwhile the partner may have sent the file whole in another one.
 * What was opened before that wrote nothing since, as far as anybody can tell; the object's size shows if it did.
 */
function isOlder(book: DeliveryBook, { user, path, openedAt, closedAt }: Upload): boolean {
  const item = user === null ? undefined : book.get(bookKey(user, path));
  if (item === undefined) return false;
  return closedAt < item.closedAt || (openedAt !== null && openedAt < (item.openedAt ?? 0));
}

/** A removal is told when its session's next line came: meanwhile another session may have made the file anew. */
function isLater(book: DeliveryBook, user: string, { path, at }: { path: string; at: number }): boolean {
  const item = book.get(bookKey(user, path));
  return item !== undefined && item.renamedAt === null && item.openedAt !== null && item.openedAt > at;
}

function isFollowed(book: DeliveryBook, user: string | null, { from }: { readonly from: string }): boolean {
  return user !== null && book.has(bookKey(user, from));
}

/** Counts one outcome, and follows, moves or forgets the upload that it is about. */
export function tallyOutcome(tally: Tally, outcome: Outcome, schedule: DeliverySchedule): void {
  const { counts, lines } = tally.effects;
  switch (outcome.kind) {
    case 'whole': {
      const { upload } = outcome;
      tally.totals.completed += 1;
      tally.totals.bytes += upload.bytes ?? 0;
      if (upload.approximate === true) tally.totals.approximate += 1;
      counts.push({ name: 'UploadCount', value: 1, at: upload.closedAt, user: upload.user });
      if (upload.bytes !== null)
        counts.push({ name: 'UploadBytes', value: upload.bytes, at: upload.closedAt, user: upload.user });
      lines.push(wholeLine(upload));
      const item = outstandingOf(upload, schedule);
      if (item === undefined) return;
      supersede(tally, upload.gone === undefined ? follow(tally.book, item) : { item, why: upload.gone });
      return;
    }
    case 'partial': {
      const { upload } = outcome;
      tally.totals.partial += 1;
      counts.push({ name: 'PartialUploads', value: 1, at: upload.closedAt, user: upload.user });
      lines.push(partialLine(upload, outcome.reason));
      if (upload.user !== null && upload.gone === undefined && !isOlder(tally.book, upload))
        supersede(tally, forget(tally.book, upload.user, upload.path, 'overwritten'));
      return;
    }
    case 'moved': {
      const { user } = outcome.actor;
      const { from, to, cut } = outcome.others.find((each) => isFollowed(tally.book, user, each)) ?? outcome;
      lines.push(activityLine({ ...outcome, from, to, type: 'RENAME', message: 'renamed' }));
      if (user === null) return;
      if (cut) supersede(tally, forget(tally.book, user, from, 'not followed'));
      else for (const each of move(tally.book, user, from, to, outcome.at)) supersede(tally, each);
      return;
    }
    case 'removed':
      lines.push(activityLine({ ...outcome, type: 'DELETE', message: 'deleted' }));
      if (outcome.actor.user !== null && !isLater(tally.book, outcome.actor.user, outcome))
        supersede(tally, forget(tally.book, outcome.actor.user, outcome.path, 'deleted'));
      return;
    case 'unknown':
      tally.totals.unknown += 1;
      lines.push(unknownLine(outcome));
      return;
    case 'activity':
      lines.push(activityLine(outcome));
  }
}

/**
 * Takes in what S3 said about one upload. An upload that was replaced, moved or removed while S3 was asked is left
 * alone: the answer was about another file.
 * @param key where the object is, for the receipt
 * @param exportError of the file's extended attribute, for an upload that is overdue
 */
export function tallyVerdict(
  tally: Tally,
  item: Outstanding,
  verdict: Verdict,
  at: number,
  object: { readonly bucket: string; readonly key: string; readonly exportError: string | null },
): void {
  const key = bookKey(item.user, item.path);
  if (tally.book.get(key) !== item) return;
  const { counts, lines } = tally.effects;
  switch (verdict.kind) {
    case 'delivered':
      tally.book.delete(key);
      tally.totals.delivered += 1;
      counts.push({ name: 'DeliveryLagSeconds', value: verdict.lagSeconds, at, user: item.user });
      if (item.uncounted) {
        tally.totals.bytes += verdict.found.bytes;
        counts.push({ name: 'UploadBytes', value: verdict.found.bytes, at: item.closedAt, user: item.user });
      }
      lines.push(deliveredLine(item, verdict, object));
      return;
    case 'overdue':
      tally.book.set(key, verdict.next);
      lines.push(overdueLine(item, verdict.reason, object));
      return;
    case 'given-up':
      tally.book.delete(key);
      tally.totals.superseded += 1;
      lines.push(givenUpLine(item, verdict.reason, object));
      return;
    case 'waiting':
      tally.book.set(key, verdict.next);
  }
}

/** @returns what has gathered since the last call */
export function takeEffects(tally: Tally): Effects {
  const { effects } = tally;
  tally.effects = { counts: [], lines: [] };
  return effects;
}

/** @returns how many uploads are past their deadline now: the gauge UndeliveredUploads */
export function overdueCount(book: DeliveryBook): number {
  let count = 0;
  for (const item of book.values()) if (item.overdue) count += 1;
  return count;
}

function supersede(tally: Tally, superseded: Superseded | undefined): void {
  if (superseded === undefined) return;
  tally.totals.superseded += 1;
  tally.effects.lines.push(supersededLine(superseded));
}
