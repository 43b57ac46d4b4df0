import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ensureHostKeys, hostKeyPaths } from '../../../agent/host/host-keys.ts';
import { exec } from '../../../agent/os/exec.ts';

it('makes what is missing, for root alone, and never changes a key that is there', async ({ skip }) => {
  if ((await exec(['ssh-keygen', '-?'])).outcome === 'unstartable')
    return skip('ssh-keygen is not installed');
  const directory = await mkdtemp(join(tmpdir(), 'keys-'));
  try {
    const [ed25519 = '', ...others] = hostKeyPaths(directory);
    await writeFile(ed25519, 'imported from elsewhere', { mode: 0o600 });
    expect(await ensureHostKeys(directory, exec)).toEqual(others);
    expect(await readFile(ed25519, 'utf8')).toBe('imported from elsewhere');
    for (const path of others) expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await ensureHostKeys(directory, exec)).toEqual([]);
    expect(await readFile(`${others[1]}.pub`, 'utf8')).toMatch(/^ssh-rsa /);
  } finally {
    await rm(directory, { recursive: true });
  }
});
