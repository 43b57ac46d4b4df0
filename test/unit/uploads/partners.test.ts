import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { partnersOfHost } from '../../../agent/uploads/partners.ts';

it('knows the partners of the host, and no other account, as the file stands now', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'partners-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const passwd = join(directory, 'passwd');
  const alice = 'alice:x:200000:200000:s3files-sftp partner:/:/sbin/nologin\n';
  await writeFile(passwd, `root:x:0:0:root:/root:/bin/sh\n${alice}`);
  const partners = partnersOfHost(
    () => '/upload',
    () => true,
    passwd,
  );
  await partners.refresh();
  expect(partners.nameOf(200_000)).toBe('alice');
  expect(partners.nameOf(0)).toBeUndefined();
  expect(partners.uidOf('root')).toBeUndefined();

  await writeFile(`${passwd}.new`, `${alice}bob:x:200001:200001:s3files-sftp partner:/:/sbin/nologin\n`);
  await rename(`${passwd}.new`, passwd);
  await partners.refresh();
  expect(partners.uidOf('bob')).toBe(200_001);
});

it('throws rather than taking everybody for a stranger', async () => {
  await expect(
    partnersOfHost(
      () => '/upload',
      () => true,
      '/nonexistent/passwd',
    ).refresh(),
  ).rejects.toThrow(/ENOENT/);
});
