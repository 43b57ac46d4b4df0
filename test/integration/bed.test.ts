import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bed, boot } from '../bed/boot.ts';
import { until } from '../bed/command.ts';
import { FILE_SYSTEM } from '../bed/s3-files.ts';

/** Proves the bed itself: what the product's tests stand on. */

const MOUNT_UNIT = `[Unit]
Description=the file system of the test
[Mount]
What=${FILE_SYSTEM}:/
Where=/home/sftp
Type=s3files
Options=_netdev,noatime
`;

let bed: Bed;

beforeAll(async () => {
  bed = await boot();
  await bed.install('amazon-efs-utils', 'nodejs24');
  await bed.writeFile('/etc/systemd/system/home-sftp.mount', MOUNT_UNIT);
  await bed.run(['systemctl', 'daemon-reload']);
});
afterAll(async () => await bed?.shutdown());

const mountLine = async () =>
  (await bed.run(['cat', '/proc/self/mountinfo'])).split('\n').find((line) => line.includes(' /home/sftp '));

describe('a host', () => {
  test('boots real systemd in under two seconds', async () => {
    console.log(`booted in ${bed.bootSeconds.toFixed(2)} s`);
    expect(bed.bootSeconds).toBeLessThan(2);
    expect((await bed.run(['systemctl', 'is-system-running'])).trim()).toBe('running');
    expect((await bed.run(['cat', '/proc/1/comm'])).trim()).toBe('systemd');
  });

  test('has Node.js 24 from a package, and no network but loopback', async () => {
    expect(await bed.run(['/usr/bin/node-24', '--version'])).toMatch(/^v24\./);
    expect((await bed.run(['ip', '-brief', 'link'])).trim()).toMatch(/^lo\s.*$/);
  });

  test('ends a command at its deadline, and what the command started', async () => {
    const { code } = await bed.exec(['sh', '-c', 'sleep 4711 & wait'], { timeoutMs: 300 });
    expect(code).toBe(137);
    await until('sleep to be gone', async () => (await bed.exec(['pgrep', '-f', 'sleep 4711'])).code !== 0);
  });

  test('can be two at a time, apart from each other, and leaves nothing behind', async () => {
    const other = await boot();
    await other.run(['touch', '/etc/only-here']);
    expect((await bed.exec(['test', '-e', '/etc/only-here'])).code).toBe(1);
    expect((await other.run(['systemctl', 'is-system-running'])).trim()).toBe('running');
    const directory = other.s3files.directory;
    const before = processesOf('bed-');
    await other.shutdown();
    expect(existsSync(directory)).toBe(false);
    expect(processesOf('bed-').length).toBeLessThan(before.length);
    expect(processesOf(directory.split('/').find((part) => part.startsWith('bed-')) ?? '?')).toEqual([]);
    expect((await bed.run(['systemctl', 'is-system-running'])).trim()).toBe('running');
  });
});

describe('the stand-in for S3 Files', () => {
  test('mounts through a .mount unit, with the state file that the real helper writes', async () => {
    await bed.run(['systemctl', 'start', 'home-sftp.mount']);
    const line = await mountLine();
    console.log(`mountinfo: ${line}`);
    const port = /- fuse 127\.0\.0\.1:\/,port=(\d+) /.exec(line ?? '')?.[1];
    const state = JSON.parse(await bed.readFile(`/var/run/efs/${FILE_SYSTEM}.home.sftp.${port}`));
    expect(state).toMatchObject({ fsId: FILE_SYSTEM, mountpoint: '/home/sftp', service_type: 's3files' });
    expect(await bed.readFile(`/proc/${state.pid}/comm`)).toBe('efs-proxy\n');
    expect(await bed.faults.proxyPid()).toBe(state.pid);
    await until(
      'the watchdog to refresh the state',
      async () =>
        'last_stunnel_check_time' in
        JSON.parse(await bed.readFile(`/var/run/efs/${FILE_SYSTEM}.home.sftp.${port}`)),
    );
  });

  test('keeps owners, refuses what their modes forbid, and has no hard links', async () => {
    await bed.run(['sh', '-c', 'cd /home/sftp && mkdir own && chown games own && echo x > root-only']);
    await bed.run(['sh', '-c', 'echo y > /home/sftp/own/file'], { user: 'games' });
    expect((await bed.run(['stat', '-c', '%U', '/home/sftp/own/file'])).trim()).toBe('games');
    expect((await bed.exec(['touch', '/home/sftp/no'], { user: 'games' })).code).toBe(1);
    const link = await bed.exec(['ln', '/home/sftp/root-only', '/home/sftp/linked']);
    expect(link.stderr).toContain('Operation not supported');
  });

  test('exports what is quiet with a version, and a delete marker for what is gone', async () => {
    const { aws, s3files } = bed;
    await bed.run(['sh', '-c', 'mkdir -p /home/sftp/alice && printf one > /home/sftp/alice/a.txt']);
    await s3files.exported();
    await bed.run(['sh', '-c', 'printf "two!" > /home/sftp/alice/a.txt']);
    await s3files.exported();
    expect((await aws.objectBytes(s3files.bucket, 'alice/a.txt')).toString()).toBe('two!');
    await bed.run(['mv', '/home/sftp/alice/a.txt', '/home/sftp/alice/ü b.txt']);
    await s3files.exported();
    expect(await aws.keys(s3files.bucket, 'alice/')).toEqual(['alice/ü b.txt']);
    const versions = await aws.versions(s3files.bucket, 'alice/a.txt');
    expect(versions.map(({ deleted, bytes }) => (deleted ? 'marker' : bytes)).sort()).toEqual([
      3,
      4,
      'marker',
    ]);
    expect(versions.find(({ latest }) => latest)?.deleted).toBe(true);
    expect(await s3files.exportFailures()).toEqual([]);
  });

  test('exports nothing while paused, and can fail for good with an error in the xattr', async () => {
    const { aws, s3files } = bed;
    await s3files.pauseExport();
    await s3files.plantFile('late.txt', 'late');
    await s3files.plantFile('never.txt', 'never');
    await s3files.failExport(['never.txt'], 'S3AccessDenied');
    expect(await bed.run(['getfattr', '--dump', '-m', 'user.s3files.*', '/home/sftp/never.txt'])).toContain(
      'S3AccessDenied',
    );
    await bed.run(['sleep', '3']);
    expect(await aws.keys(s3files.bucket, 'late')).toEqual([]);
    await s3files.resumeExport();
    await s3files.exported();
    expect(await aws.keys(s3files.bucket, 'late')).toEqual(['late.txt']);
    expect(await aws.keys(s3files.bucket, 'never')).toEqual([]);
  });

  test('hangs while its proxy is stopped, and answers again when it goes on', async () => {
    await bed.faults.stopProxy();
    expect((await bed.exec(['stat', '-f', '/home/sftp'], { timeoutMs: 500 })).code).toBe(137);
    await bed.faults.continueProxy();
    expect((await bed.exec(['stat', '-f', '/home/sftp'], { timeoutMs: 5000 })).code).toBe(0);
  });

  test('is dead when its proxy was killed, and comes back by umount and start', async () => {
    await bed.faults.killProxy();
    const { stderr } = await bed.exec(['ls', '/home/sftp']);
    expect(stderr).toContain('Transport endpoint is not connected');
    // As with the real one, a dead mount keeps its state until it is unmounted.
    await bed.run(['sleep', '6']);
    expect(await bed.faults.proxyPid()).toBeGreaterThan(1);
    await bed.run(['umount', '-f', '/home/sftp']);
    expect(await mountLine()).toBeUndefined();
    await bed.run(['systemctl', 'start', 'home-sftp.mount']);
    expect(await bed.readFile('/home/sftp/alice/ü b.txt')).toBe('two!');
  });

  test('fails to mount in the ways of the real one', async () => {
    const { s3files } = bed;
    const mount = async () =>
      await bed.exec(['mount', '-t', 's3files', `${FILE_SYSTEM}:/`, '/home/sftp', '-o', '_netdev']);
    await bed.run(['systemctl', 'stop', 'home-sftp.mount']);
    await s3files.faultMount('dns', 1);
    expect(await mount()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Failed to resolve "euc1-az2.'),
    });
    await s3files.faultMount('denied', 1);
    expect(await mount()).toMatchObject({
      code: 32,
      stderr: expect.stringContaining('access denied by server'),
    });
    expect(await bed.readFile('/var/log/amazon/efs/mount.log')).toContain('returncode=32');
    await s3files.faultMount('network', 1);
    expect((await mount()).code).toBe(0);
    expect(await mountLine()).toBeUndefined();
    await s3files.hideHelper(true);
    expect(await mount()).toMatchObject({
      code: 32,
      stderr: expect.stringContaining("unknown filesystem type 's3files'"),
    });
    await s3files.hideHelper(false);
    expect((await mount()).code).toBe(0);
    expect((await mount()).stdout).toContain('is already mounted');
  });
});

describe('faults', () => {
  test('fill a disk and free it, and lay a file system over another', async () => {
    const { faults } = bed;
    await bed.writeFile('/var/lib/full/kept', 'kept');
    await faults.smallDisk('/var/lib/full', 64);
    await faults.fillDisk('/var/lib/full');
    const full = await bed.exec(['cp', '/etc/os-release', '/var/lib/full/more']);
    expect(full.stderr).toContain('No space left on device');
    await faults.freeDisk('/var/lib/full');
    await bed.writeFile('/var/lib/full/more', 'more');
    expect(await bed.readFile('/var/lib/full/kept')).toBe('kept');
    await faults.mountOver('/var/lib/full');
    expect((await bed.exec(['ls', '/var/lib/full'])).stdout).toBe('');
    await faults.umount('/var/lib/full', '-l');
    expect(await bed.readFile('/var/lib/full/more')).toBe('more');
  });

  test('kill the main process of a unit', async () => {
    await bed.run([
      'systemd-run',
      '--unit=victim',
      '-p',
      'Restart=always',
      '-p',
      'RestartSec=0',
      'sleep',
      'infinity',
    ]);
    const pid = await bed.faults.killMain('victim.service');
    await until('the restart', async () => {
      const now = Number(await bed.unit('victim.service', 'MainPID'));
      return now > 1 && now !== pid;
    });
    await expect(bed.faults.killMain('no-such.service')).rejects.toThrow('no main process');
  });
});

/** Pids of processes whose command line has this text. */
function processesOf(text: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
    } catch {
      return false;
    }
  });
}
