import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  readFileIfExists,
  removeFileDurable,
  writeFileDurable,
  writeFileIfChanged,
} from '../../../agent/os/files.ts';

const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'files-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

describe('writeFileDurable', () => {
  it('writes content and mode, whatever the umask, and leaves nothing else behind', async () => {
    const umask = process.umask(0o777);
    await writeFileDurable(join(directory, 'key'), 'ssh-ed25519 A\n', { mode: 0o640, ...own });
    process.umask(umask);
    expect(await readFile(join(directory, 'key'), 'utf8')).toBe('ssh-ed25519 A\n');
    expect((await stat(join(directory, 'key'))).mode & 0o7777).toBe(0o640);
    expect(await readdir(directory)).toEqual(['key']);
  });

  it('replaces a link itself, never what it points to', async () => {
    await writeFile(join(directory, 'victim'), 'untouched');
    await symlink(join(directory, 'victim'), join(directory, 'key'));
    await writeFileDurable(join(directory, 'key'), 'new', { mode: 0o600, ...own });
    expect(await readFile(join(directory, 'victim'), 'utf8')).toBe('untouched');
    expect(await readFile(join(directory, 'key'), 'utf8')).toBe('new');
  });

  it('keeps the old file and no leftover when it fails', async () => {
    await writeFile(join(directory, 'taken'), '');
    await expect(
      writeFileDurable(join(directory, 'taken', 'x'), 'new', { mode: 0o600, ...own }),
    ).rejects.toThrow(/write .*taken/);
    expect(await readdir(directory)).toEqual(['taken']);
  });
});

describe('writeFileIfChanged', () => {
  it('writes only a difference', async () => {
    const path = join(directory, 'unit');
    expect(await writeFileIfChanged(path, 'a', { mode: 0o644, ...own })).toBe(true);
    const before = await stat(path);
    expect(await writeFileIfChanged(path, 'a', { mode: 0o644, ...own })).toBe(false);
    expect((await stat(path)).ino).toBe(before.ino);
    expect(await writeFileIfChanged(path, 'b', { mode: 0o644, ...own })).toBe(true);
  });
});

it('an absent file is undefined, and its removal no error', async () => {
  expect(await readFileIfExists(join(directory, 'none'))).toBeUndefined();
  expect(await removeFileDurable(join(directory, 'none'))).toBe(false);
  await writeFile(join(directory, 'some'), 'x');
  expect(await removeFileDurable(join(directory, 'some'))).toBe(true);
  expect(await readdir(directory)).toEqual([]);
});
