import { spawn } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { isReal, isWritten } from '../../../agent/uploads/witness.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'witness-'));
});
afterEach(() => rmSync(root, { recursive: true }));

it('does not see through a link in a directory’s place, nor take one for a file', () => {
  mkdirSync(join(root, 'host/etc'), { recursive: true });
  mkdirSync(join(root, 'mount/alice/upload'), { recursive: true });
  writeFileSync(join(root, 'host/etc/shadow'), 'x');
  writeFileSync(join(root, 'mount/alice/upload/a'), 'x');
  symlinkSync(join(root, 'host'), join(root, 'mount/alice/upload/link'));
  const mount = join(root, 'mount');
  expect(isReal(mount, join(mount, 'alice/upload/a'))).toBe(true);
  expect(isReal(mount, join(mount, 'alice/upload/link/etc/shadow'))).toBe(false);
  expect(isReal(mount, join(mount, 'alice/upload/link'))).toBe(false);
  expect(isReal(mount, join(root, 'host/etc/shadow'))).toBe(false);
  expect(isReal(mount, join(mount, 'alice/upload/gone'))).toBe(false);
});

it('tells a file that was written from one that got another mode or time', async () => {
  const file = join(root, 'a');
  writeFileSync(file, 'x');
  expect(isWritten(statSync(file))).toBe(true);
  utimesSync(file, 1e9, 1e9);
  expect(isWritten(statSync(file))).toBe(false);
  writeFileSync(file, 'y');
  expect(isWritten(statSync(file))).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  chmodSync(file, 0o600);
  expect(isWritten(statSync(file))).toBe(false);
});

it('reports what partners put there, and nothing of the agent’s own directory', async () => {
  const names = join(root, '.s3files-sftp/names');
  mkdirSync(names, { recursive: true });
  mkdirSync(join(root, 'alice/.s3files-sftp'), { recursive: true });
  const main = join(import.meta.dirname, '../../../agent/main.ts');
  const child = spawn(process.execPath, [main, 'witness', root], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += String(chunk);
  });
  await expect.poll(() => said, { timeout: 20_000 }).toContain('"ready":true');
  writeFileSync(join(names, 'alice'), 'x');
  writeFileSync(join(root, 'alice/.s3files-sftp/a'), 'x');
  await expect.poll(() => said, { timeout: 20_000 }).toContain('"path":"alice/.s3files-sftp/a"');
  expect(said).not.toContain('"path":".s3files-sftp');
}, 45_000);
