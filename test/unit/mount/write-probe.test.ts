import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { probeWrites } from '../../../agent/mount/write-probe.ts';

let mount: string;
beforeEach(async () => {
  mount = await mkdtemp(join(tmpdir(), 'probe-'));
});
afterEach(() => rm(mount, { recursive: true }));
const probes = () => readdir(join(mount, '.s3files-sftp/probe'));

it('writes, reads back and leaves nothing behind, again and again', async () => {
  expect(probeWrites(mount, 'host-a')).toEqual({ step: 'done' });
  expect(probeWrites(mount, 'host-a')).toEqual({ step: 'done' });
  expect(await probes()).toEqual([]);
});

it('clears what a killed probe of the same host left', async () => {
  probeWrites(mount, 'host-a');
  await writeFile(join(mount, '.s3files-sftp/probe/probe-host-a'), 'half');
  expect(probeWrites(mount, 'host-a')).toEqual({ step: 'done' });
});

it('writes through no link that somebody planted', async () => {
  probeWrites(mount, 'host-a');
  const victim = join(mount, 'victim');
  await symlink(victim, join(mount, '.s3files-sftp/probe/probe-host-a'));
  expect(probeWrites(mount, 'host-a')).toEqual({ step: 'done' });
  expect(await readdir(mount)).toEqual(['.s3files-sftp']);
});

it('keeps to its directory whatever the host is called', async () => {
  expect(probeWrites(mount, '../../x/y')).toEqual({ step: 'done' });
  expect(await readdir(mount)).toEqual(['.s3files-sftp']);
});

it('names the step that failed', () => {
  expect(probeWrites(join(mount, 'nothing'), 'host-a')).toMatchObject({
    step: 'create its directory',
    code: 'ENOENT',
  });
});
