import type { DeliveryBook } from './delivery-plan.ts';
import type { Outstanding } from './state.ts';

/** More than a day of a busy host's uploads; 100,000 take some 40 MB of heap. */
export const MOST_OUTSTANDING = 100_000;
/** A path of 80 bytes for each of them; of the longest that sshd can log, 450, it is room for 18,000. */
const MOST_PATH_BYTES = 8_000_000;
/** Counting anew takes some milliseconds, so it is done once for so many uploads. */
const COUNT_EVERY = 1_000;

/** No less than the bytes of a book's paths: what left the book is subtracted only when they are counted anew. */
interface Count {
  bytes: number;
  since: number;
}

const counts = new WeakMap<DeliveryBook, Count>();

/**
 * Whether one more upload may be followed. They are all in memory, within a heap of 96 MB, so that their number and
 * the length of their paths must both have an end. One for which there is room is counted in.
 */
export function takeRoom(book: DeliveryBook, { path }: Pick<Outstanding, 'path'>): boolean {
  if (book.size >= MOST_OUTSTANDING) return false;
  let count = counts.get(book);
  if (count === undefined) {
    count = { bytes: bytesOf(book), since: 0 };
    counts.set(book, count);
  }
  count.since += 1;
  const bytes = Buffer.byteLength(path);
  if (count.bytes + bytes > MOST_PATH_BYTES && count.since >= COUNT_EVERY) {
    count.bytes = bytesOf(book);
    count.since = 0;
  }
  if (count.bytes + bytes > MOST_PATH_BYTES) return false;
  count.bytes += bytes;
  return true;
}

function bytesOf(book: DeliveryBook): number {
  let bytes = 0;
  for (const { path } of book.values()) bytes += Buffer.byteLength(path);
  return bytes;
}
