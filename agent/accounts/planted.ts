import { closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import { codeOf } from '../operation-error.ts';

/** Something on the mount that should not be there; only the user concerned is refused. */
export class MountFault extends Error {
  readonly hint: string;
  constructor(problem: string, hint: string) {
    super(problem);
    this.hint = hint;
  }
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * Opens a real directory, without following a link in its place. All that is done to it afterwards is done through
 * the descriptor, so that it can't be exchanged in between.
 * @returns undefined where there is nothing
 * @throws MountFault where there is something else, as whoever writes to the bucket can put there
 */
export function openDirectory(path: string, shown: string): number | undefined {
  try {
    return openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    if (codeOf(cause) !== 'ENOTDIR' && codeOf(cause) !== 'ELOOP') throw cause;
    throw new MountFault(
      `${shown} on the mount is a link or a file, not a directory`,
      'remove it from the bucket',
    );
  }
}

/**
 * Runs a function with a directory that exists or is made (root's); says whether it was made. It is made without a
 * look before: on NFS each look is a request, and mkdir(2) tells as much.
 */
export function withDirectory<T>(
  path: string,
  shown: string,
  mode: number,
  use: (fd: number, made: boolean) => T,
): T {
  const made = makeDirectory(path, mode);
  const fd = openDirectory(path, shown);
  if (fd === undefined)
    throw new MountFault(`${shown} on the mount vanished as it was made`, 'it is tried again');
  try {
    return use(fd, made);
  } finally {
    closeSync(fd);
  }
}

/** @returns false where something is there already; what it is, opening it tells */
export function makeDirectory(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (cause) {
    if (codeOf(cause) !== 'EEXIST') throw cause;
    return false;
  }
}

/** A path below an open directory: what openat(2) does, which Node.js has no call for. */
export function below(fd: number, name: string): string {
  return `/proc/self/fd/${fd}/${name}`;
}

/** Reads a small regular file without following a link; undefined where there is none. @throws MountFault */
export function readPlain(path: string, shown: string): string | undefined {
  let fd: number;
  try {
    // Without O_NONBLOCK a planted FIFO would hang the child.
    fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') return undefined;
    if (codeOf(cause) !== 'ELOOP') throw cause;
    throw new MountFault(`${shown} on the mount is a link`, 'remove it from the bucket');
  }
  try {
    if (!fstatSync(fd).isFile()) throw new MountFault(`${shown} on the mount is not a file`, 'remove it');
    const buffer = Buffer.alloc(128);
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(fd);
  }
}

/** Whether anything has this name, be it a link to nowhere. */
export function isTaken(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
