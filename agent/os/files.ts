import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, OperationError } from '../operation-error.ts';

export interface FileOwnership {
  /** Permission bits, such as 0o640. */
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Replaces a file so that a reader, or a power cut, sees the old content or the new, never a part of either:
 * temporary file beside it (O_EXCL, O_NOFOLLOW), fsync, rename, fsync of the directory.
 * Only for directories that no user can write to.
 * @param content in pieces, where it would be large in one
 * @throws OperationError
 */
export async function writeFileDurable(
  path: string,
  content: string | Uint8Array | Iterable<string>,
  owner: FileOwnership,
): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}.tmp`);
  try {
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const file = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      await file.writeFile(content);
      await file.chown(owner.uid ?? 0, owner.gid ?? 0);
      await file.chmod(owner.mode);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    await unlink(temporary).catch(() => {});
    throw new OperationError({ op: 'write', target: path, hint: writeHint(cause) }, cause);
  }
}

/** Like {@link writeFileDurable}, but leaves a file alone that has this content already. @returns whether it wrote */
export async function writeFileIfChanged(
  path: string,
  content: string,
  owner: FileOwnership,
): Promise<boolean> {
  if ((await readFileIfExists(path)) === content) return false;
  await writeFileDurable(path, content, owner);
  return true;
}

/** @returns the text of a file, or undefined where there is none. @throws OperationError on any other failure */
export async function readFileIfExists(path: string): Promise<string | undefined> {
  return (await readBytesIfExists(path))?.toString('utf8');
}

/** @returns the bytes of a file, or undefined where there is none. @throws OperationError on any other failure */
export async function readBytesIfExists(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw new OperationError({ op: 'read', target: path }, cause);
  }
}

/** Removes a file for good; one that is gone already is no error. @returns whether there was one */
export async function removeFileDurable(path: string): Promise<boolean> {
  try {
    await unlink(path);
    await syncDirectory(dirname(path));
    return true;
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return false;
    throw new OperationError({ op: 'remove', target: path }, cause);
  }
}

/** Makes a root-owned directory and its parents; one that is there keeps its mode. */
export async function ensureDirectory(path: string, mode = 0o755): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode });
  } catch (cause) {
    throw new OperationError({ op: 'create directory', target: path }, cause);
  }
}

/** Makes names that were added to, moved in or removed from a directory last through a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function writeHint(cause: unknown): string {
  switch (codeOf(cause)) {
    case 'ENOSPC':
      return 'the disk is full: free space on the host; nothing was changed';
    case 'EROFS':
      return 'the file system is read-only, or the unit’s sandbox forbids this path';
    default:
      return 'the old content is untouched';
  }
}
