import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createAccountFilesReader } from '../../../agent/accounts/account-files.ts';

let directory: string;
const pathOf = (name: string) => join(directory, name);

/** As the account tools do: a new file takes the old one's place. */
async function replace(name: string, text: string): Promise<void> {
  await writeFile(pathOf(`${name}.new`), text);
  await rename(pathOf(`${name}.new`), pathOf(name));
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'account-files-'));
  await replace('passwd', 'acme:x:20001:20001::/:/sbin/nologin\n');
  await replace('group', 'acme:x:20001:\npartners:x:990:acme\n');
  await replace('shadow', 'acme:*:20000::::::\n');
});
afterEach(() => rm(directory, { recursive: true }));

const reader = () =>
  createAccountFilesReader({ passwd: pathOf('passwd'), group: pathOf('group'), shadow: pathOf('shadow') });

it('parses the files once while they stay as they are', async () => {
  const read = reader();
  const first = await read();
  expect(first.accounts.get('acme')).toMatchObject({
    uid: 20001,
    groups: ['partners'],
    password: 'keys-only',
  });
  expect(await read()).toBe(first);
});

it.each([
  ['passwd', 'acme:x:20001:20001::/root:/bin/sh\n', { shell: '/bin/sh' }],
  ['group', 'acme:x:20001:\npartners:x:990:acme\nwheel:x:10:acme\n', { groups: ['partners', 'wheel'] }],
  // As many letters as before: only the file itself is another one.
  ['shadow', 'acme:!:20000::::::\n', { password: 'locked' }],
])('sees at the next look that %s was replaced', async (name, text, change) => {
  const read = reader();
  await read();
  await replace(name, text);
  expect((await read()).accounts.get('acme')).toMatchObject(change);
});
