import type { DeliveryBook } from './delivery-plan.ts';
import { addPath, createDirectoryFilter, type DirectoryFilter, mayHaveBelow } from './directory-filter.ts';
import type { Outstanding } from './state.ts';

/** 1 MB. With 100,000 directories, one in 80 that has nothing below it is searched for all the same. */
const BITS = 8_388_608;
const LEAST_NOTES = 10_000;

/** The directories of a book's paths; what left the book is in it until it is made anew. */
interface Directories {
  readonly filter: DirectoryFilter;
  /** Notes until it is made anew. */
  left: number;
}

const directories = new WeakMap<DeliveryBook, Directories>();

/** Has to be told of every upload that comes into a book. @param key by which it is in the book */
export function noteFollowed(book: DeliveryBook, key: string): void {
  const known = directories.get(book);
  if (known === undefined) return;
  addPath(known.filter, key);
  known.left -= 1;
  if (known.left < 0) directories.delete(book);
}

/**
 * The uploads below a directory. Nearly every path that is renamed is a file's, with nothing below it: a look at all
 * uploads, of which there may be 100,000, is for the others.
 * @param key of the directory, as the book would have it
 */
export function followedBelow(book: DeliveryBook, key: string): Outstanding[] {
  const found: Outstanding[] = [];
  if (!mayHaveBelow(directoriesOf(book).filter, key)) return found;
  const prefix = `${key}/`;
  for (const [each, item] of book) if (each.startsWith(prefix)) found.push(item);
  return found;
}

function directoriesOf(book: DeliveryBook): Directories {
  const known = directories.get(book);
  if (known !== undefined) return known;
  const made = { filter: createDirectoryFilter(BITS), left: Math.max(LEAST_NOTES, book.size) };
  for (const key of book.keys()) addPath(made.filter, key);
  directories.set(book, made);
  return made;
}
