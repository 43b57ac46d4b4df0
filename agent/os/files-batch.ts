import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { OperationError } from '../operation-error.ts';
import type { Edges } from './edges.ts';
import { execOk } from './exec-ok.ts';
import { type FileOwnership, syncDirectory } from './files.ts';

export interface BatchFile extends FileOwnership {
  readonly path: string;
  readonly content: string;
}

/** Small files on the host's own disk take 60 µs each in place; after this many the other loops get their turn. */
const SLICE = 100;
/** Flushing what thousands of small files left takes a disk a second or two. */
const SYNC_TIMEOUT_MS = 60_000;

/**
 * Replaces many files of one directory, each seen old or new and never in part, with two flushes of the file system
 * in all instead of two for each file: temporary files, sync -f, renames, sync -f.
 * @returns the paths that could not be written, with the reason; their old content is untouched
 */
export async function writeFilesDurable(
  directory: string,
  files: readonly BatchFile[],
  { exec }: Pick<Edges, 'exec'>,
): Promise<Map<string, unknown>> {
  const failures = new Map<string, unknown>();
  const drafts: { draft: string; path: string }[] = [];
  await inSlices(files, (file) => {
    const draft = join(directory, `.${randomBytes(8).toString('hex')}.tmp`);
    try {
      if (dirname(file.path) !== directory) throw new Error(`is not in ${directory}`);
      writeDraft(draft, file);
      drafts.push({ draft, path: file.path });
    } catch (cause) {
      rmSync(draft, { force: true });
      failures.set(file.path, new OperationError({ op: 'write', target: file.path }, cause));
    }
  });
  if (drafts.length === 0) return failures;
  try {
    await execOk(exec, ['sync', '-f', directory], { timeoutMs: SYNC_TIMEOUT_MS });
  } catch (cause) {
    for (const { draft, path } of drafts) {
      rmSync(draft, { force: true });
      failures.set(path, cause);
    }
    return failures;
  }
  await inSlices(drafts, ({ draft, path }) => {
    try {
      renameSync(draft, path);
    } catch (cause) {
      rmSync(draft, { force: true });
      failures.set(path, new OperationError({ op: 'write', target: path }, cause));
    }
  });
  await execOk(exec, ['sync', '-f', directory], { timeoutMs: SYNC_TIMEOUT_MS });
  return failures;
}

/**
 * Removes many files of one directory for good, with one flush of the directory; one that is gone already is no error.
 * @returns the names that could not be removed, with the reason
 * @throws OperationError when the directory can't be flushed
 */
export async function removeFilesDurable(
  directory: string,
  names: readonly string[],
): Promise<Map<string, unknown>> {
  const failures = new Map<string, unknown>();
  await inSlices(names, (name) => {
    const target = join(directory, name);
    try {
      rmSync(target, { force: true });
    } catch (cause) {
      failures.set(name, new OperationError({ op: 'remove', target }, cause));
    }
  });
  await syncDirectory(directory);
  return failures;
}

function writeDraft(draft: string, { content, mode, uid, gid }: BatchFile): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    const bytes = Buffer.from(content);
    if (writeSync(fd, bytes) !== bytes.length) throw new Error('was written in part only');
    fchownSync(fd, uid ?? 0, gid ?? 0);
    fchmodSync(fd, mode);
  } finally {
    closeSync(fd);
  }
}

async function inSlices<T>(items: readonly T[], run: (item: T) => void): Promise<void> {
  for (const [index, item] of items.entries()) {
    if (index % SLICE === SLICE - 1) await breathe();
    run(item);
  }
}
