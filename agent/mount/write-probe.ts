import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { codeOf, messageOf } from '../operation-error.ts';
import type { WriteProbeReport } from './probe-outcome.ts';

/** Root-only directories on the mount; uid claims live beside. */
const DIRECTORIES = ['.s3files-sftp', '.s3files-sftp/probe'];

/** Large enough that a read of stale or zeroed pages is noticed. */
const PROBE_BYTES = 4096;

/**
 * Proves that the mount takes and keeps data: creates a file, writes, fsyncs, reads it back and unlinks it. Runs in a
 * child of its own, in a mount namespace that follows no links.
 *
 * What it costs: one metered data write and read (32 KiB at least each) and some eight metadata operations (4 KiB each),
 * together $0.000004 (docs/cost.md); no PUT, since the file is gone before S3 Files exports it (60 s after the last
 * write).
 * @param mountPath the mount point
 * @param hostName keeps hosts that share the file system from using each other's file
 * @returns the step that failed, or `done`
 */
export function probeWrites(mountPath: string, hostName: string): WriteProbeReport {
  let step = 'create its directory';
  const name = hostName.replace(/[^A-Za-z0-9-]/g, '-').slice(0, 64);
  const path = join(mountPath, '.s3files-sftp/probe', `probe-${name}`);
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  try {
    for (const directory of DIRECTORIES)
      ignoring('EEXIST', () => mkdirSync(join(mountPath, directory), 0o700));
    step = 'remove the last probe’s file';
    ignoring('ENOENT', () => unlinkSync(path));
    step = 'create a file';
    const data = randomBytes(PROBE_BYTES);
    const output = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      step = 'write';
      if (writeSync(output, data) !== data.length) return { step, message: 'short write' };
      step = 'sync';
      fsyncSync(output);
    } finally {
      closeSync(output);
    }
    step = 'read back';
    if (!readBack(path).equals(data)) return { step, message: 'it holds other data than was written' };
    step = 'remove its file';
    unlinkSync(path);
    return { step: 'done' };
  } catch (cause) {
    return { step, code: codeOf(cause), message: messageOf(cause) };
  }
}

/** Reads what the server has, not what this host remembers: past the page cache, where the file system can. */
function readBack(path: string): Buffer {
  const { O_DIRECT, O_NOFOLLOW, O_RDONLY } = constants;
  const read = (flags: number) => {
    const input = openSync(path, O_RDONLY | O_NOFOLLOW | flags);
    try {
      const seen = Buffer.alloc(PROBE_BYTES);
      readSync(input, seen);
      return seen;
    } finally {
      closeSync(input);
    }
  };
  try {
    return read(O_DIRECT);
  } catch (cause) {
    // A local file system wants a buffer at an even address, or has no such reads; NFS has none of these wishes.
    if (codeOf(cause) !== 'EINVAL') throw cause;
    return read(0);
  }
}

function ignoring(code: string, action: () => void): void {
  try {
    action();
  } catch (cause) {
    if (codeOf(cause) !== code) throw cause;
  }
}
