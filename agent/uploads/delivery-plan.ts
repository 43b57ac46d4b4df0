import type { Config } from '../config.ts';
import { followedBelow, noteFollowed } from './outstanding-directories.ts';
import { takeRoom } from './outstanding-room.ts';
import type { Outstanding, Upload } from './state.ts';

/** When to ask, in ms. */
export interface DeliverySchedule {
  /** S3 Files exports a file after it was quiet for this long. */
  readonly exportDelayMs: number;
  /** Past it an upload without its object is undelivered. */
  readonly deadlineMs: number;
}

/** @returns the schedule that a configuration asks for */
export function scheduleOf({ uploads }: Pick<Config, 'uploads'>): DeliverySchedule {
  return {
    exportDelayMs: uploads.export_delay_seconds * 1000,
    deadlineMs: uploads.delivery_deadline_seconds * 1000,
  };
}

/** What S3 answered about one key. */
export type Sighting =
  | {
      readonly kind: 'found';
      readonly versionId: string | null;
      readonly etag: string | null;
      readonly bytes: number;
      /** In ms since 1970; S3 tells whole seconds. */
      readonly modifiedAt: number;
    }
  | { readonly kind: 'absent' }
  /** No answer: says nothing about the object. */
  | { readonly kind: 'unknown'; readonly problem: string };

export type Found = Extract<Sighting, { kind: 'found' }>;

/** What a sighting means for one upload. */
export type Verdict =
  | {
      readonly kind: 'delivered';
      readonly found: Found;
      readonly lagSeconds: number;
      readonly late: boolean;
      /** It has not the size that was written: bytes were written twice, cut off in the end, or by another writer. */
      readonly otherSize: boolean;
    }
  | { readonly kind: 'waiting'; readonly next: Outstanding }
  | { readonly kind: 'overdue'; readonly next: Outstanding; readonly reason: string }
  | { readonly kind: 'given-up'; readonly reason: string };

/** Uploads on their way, by user and path: a key has one file, so the latest upload is the one to wait for. */
export type DeliveryBook = Map<string, Outstanding>;

export const bookKey = (user: string, path: string) => `${user}${path}`;

/**
 * The clocks of S3 and of this host may differ by a second, and S3 cuts the fraction of one. An export that waits for
 * longer than this after the last write needs no slack; without it, a version from just before would pass for its own.
 */
const CLOCK_SLACK_MS = 2_000;
/** A rename is exported at once, so here S3's cut of a second's fraction counts. */
const RENAME_SLACK_MS = 1_000;
const LONGEST_STEP_MS = 60_000;
const LONGEST_OVERDUE_STEP_MS = 3_600_000;
/** As long as CloudWatch would take a late value. */
const GIVE_UP_MS = 14 * 86_400_000;
/** After an answer that says nothing about the object, such as a network failure. */
const RETRY_MS = 15_000;

/** @returns the upload as something to be followed, or undefined where its key is not known */
export function outstandingOf(upload: Upload, schedule: DeliverySchedule): Outstanding | undefined {
  if (upload.user === null || upload.cut) return undefined;
  const { user, size, openedAt, closedAt, renamedAt } = upload;
  // Pieces of lines would keep the whole lines in memory for as long as the upload is on its way.
  const [id, session, path] = [copyOf(upload.id), copyOf(upload.session), copyOf(upload.path)];
  const uncounted = upload.bytes === null;
  const dueAt = closedAt + schedule.exportDelayMs + firstStep(schedule) / 2;
  const times = { openedAt, closedAt, renamedAt, dueAt };
  return { id, session, user, path, size, uncounted, ...times, attempts: 0, overdue: false };
}

function copyOf(text: string): string {
  return Buffer.from(text).toString();
}

/** A twelfth of the export's delay: on average a receipt costs less than two requests. */
function firstStep({ exportDelayMs }: DeliverySchedule): number {
  return Math.min(5_000, Math.max(500, exportDelayMs / 12));
}

/** @returns the uploads to ask about now, longest due first, at most `limit` */
export function dueOf(book: DeliveryBook, now: number, limit: number): Outstanding[] {
  const due: Outstanding[] = [];
  for (const each of book.values()) if (each.dueAt <= now) due.push(each);
  due.sort((a, b) => a.dueAt - b.dueAt);
  return due.slice(0, limit);
}

/**
 * An object counts when it is newer than the upload's end and, where the size is known, of that size: S3 Files also
 * exports a file that stood still half-written. Others the file itself may prove (file-proof.ts). At the deadline,
 * where it can't be asked, one that is newer than the upload's beginning will do: a client that leaves its file open
 * after the last write lets the export come before the close. So will a newer one that is smaller: sshd counts the
 * bytes of all writes, and a client may write some of them twice.
 */
export function judge(
  item: Outstanding,
  sighting: Sighting,
  now: number,
  schedule: DeliverySchedule,
): Verdict {
  const age = now - item.closedAt;
  const isOverdue = age >= schedule.deadlineMs;
  const found = sighting.kind === 'found' ? sighting : undefined;
  if (found !== undefined && isTheOne(found, item, isOverdue, schedule)) return delivered(item, found);
  const reason = reasonOf(item, sighting, schedule);
  if (age > GIVE_UP_MS) return { kind: 'given-up', reason };
  const attempts = item.attempts + (sighting.kind === 'unknown' ? 0 : 1);
  const step = sighting.kind === 'unknown' ? RETRY_MS : stepOf(attempts, isOverdue, schedule);
  const untilDeadline = item.closedAt + schedule.deadlineMs - now;
  const rest = isOverdue ? step : Math.min(step, Math.max(1, untilDeadline));
  const next = { ...item, attempts, dueAt: now + rest, overdue: item.overdue || isOverdue };
  return isOverdue && !item.overdue ? { kind: 'overdue', next, reason } : { kind: 'waiting', next };
}

/** @returns the verdict that a version is the upload's */
export function delivered(item: Outstanding, found: Found): Verdict {
  const lagSeconds = Math.round(Math.max(0, found.modifiedAt - item.closedAt)) / 1000;
  return { kind: 'delivered', found, lagSeconds, late: item.overdue, otherSize: !hasSize(found, item) };
}

function isTheOne(found: Found, item: Outstanding, isOverdue: boolean, schedule: DeliverySchedule): boolean {
  const newer = isNewer(found, item, schedule);
  if (hasSize(found, item)) return newer || (isOverdue && wasMadeAfterOpening(found, item));
  return isOverdue && newer && item.size !== null && found.bytes < item.size;
}

function isNewer(found: Found, item: Outstanding, { exportDelayMs }: DeliverySchedule): boolean {
  return (
    found.modifiedAt >= item.closedAt - Math.max(0, CLOCK_SLACK_MS - exportDelayMs) &&
    (item.renamedAt === null || found.modifiedAt >= item.renamedAt - RENAME_SLACK_MS)
  );
}

function wasMadeAfterOpening(found: Found, { openedAt, size }: Outstanding): boolean {
  return openedAt !== null && size !== null && found.modifiedAt >= openedAt;
}

function hasSize(found: Found, item: Outstanding): boolean {
  return item.size === null || item.size === found.bytes;
}

function stepOf(attempts: number, isOverdue: boolean, schedule: DeliverySchedule): number {
  const doubled = firstStep(schedule) * 2 ** Math.min(attempts - 1, 20);
  if (!isOverdue) return Math.min(LONGEST_STEP_MS, doubled);
  return Math.min(LONGEST_OVERDUE_STEP_MS, Math.max(LONGEST_STEP_MS, doubled));
}

function reasonOf(item: Outstanding, sighting: Sighting, schedule: DeliverySchedule): string {
  switch (sighting.kind) {
    case 'absent':
      return 'the bucket has no such object';
    case 'unknown':
      return `S3 could not be asked: ${sighting.problem}`;
    case 'found':
      if (!isNewer(sighting, item, schedule)) return 'the bucket has only an older version';
      return `the bucket’s version has ${sighting.bytes} bytes, ${item.size} were uploaded`;
  }
}

/** An upload that is followed no longer, and how its path got another meaning. */
export interface Superseded {
  readonly item: Outstanding;
  readonly why: 'overwritten' | 'deleted' | 'not followed';
}

/** Follows an upload; one of the same path that was on its way still is superseded by it. */
export function follow(book: DeliveryBook, item: Outstanding): Superseded | undefined {
  const superseded = forget(book, item.user, item.path, 'overwritten');
  // One that takes another's place needs no more room than that had.
  if (superseded === undefined && !takeRoom(book, item)) return { item, why: 'not followed' };
  const key = bookKey(item.user, item.path);
  book.set(key, item);
  noteFollowed(book, key);
  return superseded;
}

/** A file was removed, or its content was replaced by something that is no whole upload. */
export function forget(
  book: DeliveryBook,
  user: string,
  path: string,
  why: Superseded['why'],
): Superseded | undefined {
  const key = bookKey(user, path);
  const item = book.get(key);
  if (item === undefined) return undefined;
  book.delete(key);
  return { item, why };
}

/**
 * A file, or a directory with all below it, has another path now: its object comes under the new key.
 * @param at when, in ms since 1970: older versions of the new key are other files'
 */
export function move(book: DeliveryBook, user: string, from: string, to: string, at: number): Superseded[] {
  const item = book.get(bookKey(user, from));
  const moved = item === undefined ? followedBelow(book, bookKey(user, from)) : [item];
  if (moved.length === 0) {
    const replaced = forget(book, user, to, 'overwritten');
    return replaced === undefined ? [] : [replaced];
  }
  const superseded: Superseded[] = [];
  for (const each of moved) book.delete(bookKey(user, each.path));
  for (const each of moved) {
    const replaced = follow(book, { ...each, path: to + each.path.slice(from.length), renamedAt: at });
    if (replaced !== undefined) superseded.push(replaced);
  }
  return superseded;
}
