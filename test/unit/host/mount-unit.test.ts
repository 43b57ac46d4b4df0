import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ensureMountUnit, renderMountUnit } from '../../../agent/host/mount-unit.ts';
import type { Argv, Exec } from '../../../agent/os/exec.ts';

const MOUNT = {
  file_system_id: 'fs-0123456789abcdef0',
  path: '/srv/in-box',
  options: ['azid=euc1-az2'],
  probe_seconds: 4,
  probe_deadline_seconds: 4,
  write_probe_seconds: 900,
  max_backoff_seconds: 15,
};
let directory: string;
const commands: Argv[] = [];
const exec: Exec = async (argv) => {
  commands.push(argv);
  return { outcome: 'exited', code: 0, stdout: '', stderr: '' };
};
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'units-'));
  commands.splice(0);
});
afterEach(() => rm(directory, { recursive: true }));

it('mounts by type s3files, after the network, with room for the helper’s three tries', () => {
  const text = renderMountUnit(MOUNT);
  expect(text).toMatch(/^What=fs-0123456789abcdef0:\/$/m);
  expect(text).toMatch(/^Where=\/srv\/in-box$/m);
  expect(text).toMatch(/^Type=s3files$/m);
  expect(text).toMatch(/^Options=_netdev,noatime,azid=euc1-az2$/m);
  expect(Number(/^TimeoutSec=(\d+)$/m.exec(text)?.[1])).toBeGreaterThanOrEqual(300);
});

it('makes systemd read it when it changed, and only then', async () => {
  expect(await ensureMountUnit(MOUNT, directory, exec)).toBe(true);
  expect(await readFile(join(directory, 'srv-in\\x2dbox.mount'), 'utf8')).toBe(renderMountUnit(MOUNT));
  expect(await ensureMountUnit(MOUNT, directory, exec)).toBe(false);
  expect(commands.filter((argv) => argv.includes('daemon-reload'))).toHaveLength(1);
  expect(await ensureMountUnit({ ...MOUNT, options: [] }, directory, exec)).toBe(true);
  expect(commands.filter((argv) => argv.includes('daemon-reload'))).toHaveLength(2);
});

it('names the mount to the unit that takes a dead one away at shutdown, before systemd would wait for it', async () => {
  await ensureMountUnit(MOUNT, directory, exec);
  expect(renderMountUnit(MOUNT)).toMatch(/^Wants=s3files-sftp-unmount\.service$/m);
  const dropIn = await readFile(join(directory, 's3files-sftp-unmount.service.d/mount.conf'), 'utf8');
  expect(dropIn).toMatch(/^After=srv-in\\x2dbox\.mount$/m);
  expect(dropIn).toMatch(/^Environment=MOUNT_POINT=\/srv\/in-box$/m);
});
