import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Sight } from '../../../agent/mount/identity.ts';
import { canRestartProxy, unmount } from '../../../agent/mount/rungs.ts';
import type { Exec, ExecResult } from '../../../agent/os/exec.ts';

const exited = (code: number, stdout = ''): ExecResult => ({ outcome: 'exited', code, stdout, stderr: '' });

describe('ending the tunnel', () => {
  const NOW = 1_700_000_000_000;
  let directory: string;
  let proxy: ChildProcess;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rungs-'));
    // The kernel names a process after its file.
    await copyFile('/bin/sleep', join(directory, 'efs-proxy'));
    proxy = spawn(join(directory, 'efs-proxy'), ['60']);
    await once(proxy, 'spawn');
  });
  afterEach(async () => {
    proxy.kill('SIGKILL');
    await rm(directory, { recursive: true });
  });

  const canRestart = async (secondsAgo: number | undefined, { active = true, pid = proxy.pid } = {}) => {
    if (secondsAgo !== undefined) {
      const file = join(directory, 'fs-0123456789abcdef0.home.sftp.20123');
      await writeFile(file, '{}');
      await utimes(file, NOW / 1000 - secondsAgo, NOW / 1000 - secondsAgo);
    }
    const exec: Exec = async () => exited(0, `ActiveState=${active ? 'active' : 'failed'}\n`);
    const common = { kind: 'ours', mountId: 9, depth: 1, readOnly: false, proof: '' } as const;
    const sight: Sight = { ...common, port: 20123, proxyPid: pid };
    return await canRestartProxy({ exec, now: () => NOW }, '/home/sftp', sight, directory);
  };

  it('is of use where the helper’s watchdog looks after the mount every second', async () => {
    expect(await canRestart(2)).toBe(true);
  });

  it('is of none where the watchdog is frozen, dead, or knows nothing of this mount', async () => {
    expect(await canRestart(10)).toBe(false);
    expect(await canRestart(2, { active: false })).toBe(false);
    await rm(join(directory, 'fs-0123456789abcdef0.home.sftp.20123'));
    expect(await canRestart(undefined)).toBe(false);
  });

  it('never ends another process that has the number by now', async () => {
    expect(await canRestart(2, { pid: process.pid })).toBe(false);
  });
});

describe('umount', () => {
  const mount = { path: '/home/sftp', mountId: 2_000_000_000 };
  /** Hangs until its deadline, which is longer than the test may take. */
  const hangs: Exec = () => new Promise(() => {});

  it('is over when the mount is gone, though the command waits for a server that does not answer', async () => {
    let gone = false;
    const over = unmount(hangs, 'unmount-lazy', { ...mount, isGone: async () => gone });
    await sleep(200);
    gone = true;
    await expect(over).resolves.toBeUndefined();
  });

  it('has failed only where the mount is still there', async () => {
    const killed: Exec = async () => exited(1);
    await expect(unmount(killed, 'unmount-lazy', { ...mount, isGone: async () => true })).resolves.toBe(
      undefined,
    );
    await expect(unmount(killed, 'unmount-lazy', { ...mount, isGone: async () => false })).rejects.toThrow(
      /umount -c -i -f -l -- \/home\/sftp/,
    );
  });

  it('looks no more once the command has ended', async () => {
    let looks = 0;
    const isGone = async () => {
      looks += 1;
      return false;
    };
    await unmount(async () => exited(0), 'unmount', { ...mount, isGone });
    await sleep(150);
    expect(looks).toBe(0);
  });
});
