import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HOST_KEY_KINDS, hostKeyPaths } from '../../../agent/host/host-keys.ts';
import type { HostKeysSecret } from '../../../agent/host/host-keys-secret.ts';
import { shareHostKeys } from '../../../agent/host/shared-host-keys.ts';
import { OperationError } from '../../../agent/operation-error.ts';
import { exec } from '../../../agent/os/exec.ts';

/** A secret as Secrets Manager keeps it: a token is for one value only, and the newest is the current one. */
function fakeSecret(text?: string): HostKeysSecret & { text: () => string | undefined; writes: string[] } {
  const versions = new Map<string, string>();
  const writes: string[] = [];
  let current = text === undefined ? undefined : { text, versionId: 'imported-by-hand-0123456789abcdef' };
  return {
    text: () => current?.text,
    writes,
    read: async () => current ?? { text: undefined, versionId: '' },
    write: async (_name, value, token) => {
      const known = versions.get(token);
      if (known !== undefined && known !== value) return false;
      versions.set(token, value);
      current = { text: value, versionId: token };
      writes.push(value);
      return true;
    },
  };
}

let directory: string;
/** One pair of directories for each host. */
const host = (name: string) => ({ directory: join(directory, name, 'keys'), runtime: join(directory, name) });
const share = async (name: string, secret: HostKeysSecret) => {
  await mkdir(host(name).runtime, { recursive: true });
  return await shareHostKeys('host-keys', { ...host(name), secret, exec }, new AbortController().signal);
};
const keysOf = async (name: string) =>
  await Promise.all(hostKeyPaths(host(name).directory).map((path) => readFile(path, 'utf8')));
const keygen = async (...args: string[]) => {
  const path = join(directory, `key-${Math.random()}`);
  await exec(['ssh-keygen', '-q', '-f', path, '-C', '', ...args]);
  return await readFile(path, 'utf8');
};

let hasKeygen = true;
beforeAll(async () => {
  hasKeygen = (await exec(['ssh-keygen', '-?'])).outcome !== 'unstartable';
});
beforeEach(async ({ skip }) => {
  if (!hasKeygen) skip('ssh-keygen is not installed');
  directory = await mkdtemp(join(tmpdir(), 'shared-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('the first host of a service', () => {
  it('makes keys, puts them into the empty secret, and has them for root alone', async () => {
    const secret = fakeSecret();
    expect(await share('first', secret)).toEqual(HOST_KEY_KINDS);
    const [ed25519, ecdsa, rsa] = await keysOf('first');
    expect(JSON.parse(secret.text() ?? '')).toEqual({ ed25519, ecdsa, rsa });
    for (const path of hostKeyPaths(host('first').directory)) {
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect(await readFile(`${path}.pub`, 'utf8')).toMatch(/^(ssh|ecdsa)-\S+ \S+/);
    }
    expect(await readdir(host('first').runtime)).toEqual(['keys']);
  });

  it('does nothing more while nothing changes', async () => {
    const secret = fakeSecret();
    await share('first', secret);
    expect(await share('first', secret)).toEqual([]);
    expect(secret.writes).toHaveLength(1);
  });

  it('keeps the keys that it had before there was a secret', async () => {
    const own = await keygen('-t', 'ed25519', '-N', '');
    await mkdir(host('first').directory, { recursive: true });
    await writeFile(join(host('first').directory, 'ssh_host_ed25519_key'), own, { mode: 0o600 });
    const secret = fakeSecret();
    expect(await share('first', secret)).toEqual(['ecdsa', 'rsa']);
    expect(JSON.parse(secret.text() ?? '').ed25519).toBe(own);
  });

  it('has no keys while the secret can’t be written: partners must not learn one that is lost', async () => {
    const secret: HostKeysSecret = {
      ...fakeSecret(),
      write: async () => {
        throw new OperationError({ op: 'write secret', target: 'host-keys' }, 'AccessDeniedException');
      },
    };
    await expect(share('first', secret)).rejects.toThrow('AccessDenied');
    expect(await readdir(host('first').directory)).toEqual([]);
    expect(await readdir(host('first').runtime)).toEqual(['keys']);
  });
});

describe('the next host', () => {
  it('shows the keys of the first', async () => {
    const secret = fakeSecret();
    await share('first', secret);
    expect(await share('next', secret)).toEqual(HOST_KEY_KINDS);
    expect(await keysOf('next')).toEqual(await keysOf('first'));
    expect(secret.writes).toHaveLength(1);
  });

  it('takes the keys of whoever was first, when several start at once on an empty secret', async () => {
    const secret = fakeSecret();
    const names = ['a', 'b', 'c'];
    await Promise.all(names.map((name) => share(name, secret)));
    expect(secret.writes).toHaveLength(1);
    const [first, ...others] = await Promise.all(names.map(keysOf));
    for (const other of others) expect(other).toEqual(first);
  });
});

describe('keys that were put into the secret', () => {
  it('are taken in any form that ssh-keygen reads, and the kinds that are missing are added', async () => {
    const pem = await keygen('-t', 'rsa', '-b', '3072', '-m', 'PEM', '-N', '');
    expect(pem).toContain('BEGIN RSA PRIVATE KEY');
    const secret = fakeSecret(JSON.stringify({ rsa: pem.replaceAll('\n', '\r\n') }));
    await share('first', secret);
    expect((await keysOf('first'))[2]).toBe(pem);
    expect(Object.keys(JSON.parse(secret.text() ?? '')).sort()).toEqual(['ecdsa', 'ed25519', 'rsa']);
  });

  it('replace the host’s own', async () => {
    const secret = fakeSecret();
    await share('first', secret);
    const other = await keygen('-t', 'ed25519', '-N', '');
    const changed = fakeSecret(JSON.stringify({ ...JSON.parse(secret.text() ?? ''), ed25519: other }));
    expect(await share('first', changed)).toEqual(['ed25519']);
    expect((await keysOf('first'))[0]).toBe(other);
  });

  const broken: ReadonlyArray<readonly [what: string, value: () => Promise<string> | string, says: RegExp]> =
    [
      ['not JSON', () => '{"rsa": "-----BEGIN TOPSECRET', /not JSON/],
      ['a kind that sshd has no more', () => '{"dsa": "TOPSECRET"}', /not a kind of key: dsa/],
      ['a public key', () => '{"rsa": "ssh-rsa TOPSECRET"}', /not a private key.*rsa/],
      [
        'garbage in the shape of a key',
        () =>
          JSON.stringify({
            rsa: '-----BEGIN RSA PRIVATE KEY-----\nTOPSECRET\n-----END RSA PRIVATE KEY-----',
          }),
        /can’t read it/,
      ],
      [
        'a key with a passphrase',
        async () => JSON.stringify({ rsa: await keygen('-t', 'rsa', '-b', '3072', '-N', 'TOPSECRET') }),
        /can’t read it/,
      ],
      [
        'a key of another kind',
        async () => JSON.stringify({ rsa: await keygen('-t', 'ed25519', '-N', '') }),
        /another kind/,
      ],
    ];
  it.each(broken)(
    'that are %s are refused without being quoted, and nothing changes',
    async (_, value, says) => {
      const secret = fakeSecret();
      await share('first', secret);
      const before = await keysOf('first');
      const text = await value();
      const wrong = fakeSecret(text);
      const refusal = share('first', wrong);
      await expect(refusal).rejects.toThrow(says);
      await expect(refusal).rejects.toBeInstanceOf(OperationError);
      const said = await refusal.catch((error) => `${error.message} ${error.hint}`);
      expect(said).not.toContain('TOPSECRET');
      expect(await keysOf('first')).toEqual(before);
      expect(wrong.writes).toEqual([]);
    },
  );
});
