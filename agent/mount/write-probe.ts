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
 * What it costs: one metered data write and read (32 KiB at least each) and four metadata operations (4 KiB each); no
 * PUT, since the file is gone before S3 Files exports it (60 s after the last write).
 * @param mountPath the mount point
 * @param hostName keeps hosts that share the file system from using each other's file
 * @returns the step that failed, or `done`
 */
export function probeWrites(mountPath: string, hostName: string): WriteProbeReport {
  let step = 'create its directory';
  const name = hostName.replace(/[^A-Za-z0-9-]/g, '-').slice(0, 64);
  const path = join(mountPath, '.s3files-sftp/probe', `probe-${name}`);
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
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
    const input = openSync(path, O_RDONLY | O_NOFOLLOW);
    const seen = Buffer.alloc(PROBE_BYTES);
    try {
      readSync(input, seen);
    } finally {
      closeSync(input);
    }
    if (!seen.equals(data)) return { step, message: 'it holds other data than was written' };
    step = 'remove its file';
    unlinkSync(path);
    return { step: 'done' };
  } catch (cause) {
    return { step, code: codeOf(cause), message: messageOf(cause) };
  }
}

function ignoring(code: string, action: () => void): void {
  try {
    action();
  } catch (cause) {
    if (codeOf(cause) !== code) throw cause;
  }
}
