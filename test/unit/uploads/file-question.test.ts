import { expect, it } from 'vitest';
import { parseConfig } from '../../../agent/config.ts';
import type { Argv, ExecResult } from '../../../agent/os/exec.ts';
import { readExportError } from '../../../agent/uploads/export-error.ts';
import { createFileQuestion } from '../../../agent/uploads/file-question.ts';
import type { Outstanding } from '../../../agent/uploads/state.ts';

const CONFIG = parseConfig(
  '[mount]\nfile_system_id = "fs-0123456789abcdef0"\n[uploads]\nbucket = "bucket"',
  'test',
);
const ITEM = { user: 'alice', path: '/upload/-a "b"' } as Outstanding;

it('starts no second child while one hangs on the mount', async () => {
  const calls: Argv[] = [];
  let reap = () => {};
  const reaped = new Promise<void>((resolve) => {
    reap = resolve;
  });
  const exec = async (argv: Argv): Promise<ExecResult> => {
    calls.push(argv);
    return { outcome: 'timeout', timeoutMs: 1, stdout: '', stderr: '', reaped };
  };
  const ask = createFileQuestion(() => CONFIG, { exec });
  const read = async () => await readExportError(ask, ITEM);
  expect(await read()).toBeNull();
  expect(await read()).toBeNull();
  expect(calls).toHaveLength(1);
  expect(calls[0]?.slice(-2)).toEqual(['--', '/home/sftp/alice/upload/-a "b"']);
  reap();
  await reaped;
  await read();
  expect(calls).toHaveLength(2);
});

it('reads one at a time in a namespace that follows no links, and lets most go when very many are overdue', async () => {
  const calls: Argv[] = [];
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const exec = async (argv: Argv): Promise<ExecResult> => {
    calls.push(argv);
    await held;
    return {
      outcome: 'exited',
      code: 0,
      stdout: 'user.s3files.status;1="ExportError=PathTooLong"',
      stderr: '',
    };
  };
  const ask = createFileQuestion(() => CONFIG, { exec });
  const read = async () => await readExportError(ask, ITEM);
  const answers = Promise.all(Array.from({ length: 20 }, () => read()));
  await expect.poll(() => calls.length).toBe(1);
  expect(calls[0]).toContain('/usr/lib/s3files-sftp/mount-namespace');
  release();
  expect((await answers).filter((each) => each === 'PathTooLong')).toHaveLength(4);
  expect(calls).toHaveLength(4);
});
