import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bed } from '../bed/boot.ts';
import { until } from '../bed/command.ts';
import {
  AGENT,
  agentLog,
  bootWithProduct,
  productRpm,
  SSHD,
  startAgent,
  waitHealthy,
} from '../bed/product.ts';
import { FILE_SYSTEM } from '../bed/s3-files.ts';
import { HELPER_FAILURES } from '../system/helper-failures.ts';

/** The mount's faults that FUSE can play, on one host; all of them, with real NFS: `npm run test:system`. */

const UNIT = 'home-sftp.mount';
let bed: Bed;

beforeAll(async () => {
  bed = await bootWithProduct(await productRpm());
  await startAgent(bed);
  await waitHealthy(bed, 60);
});
afterAll(async () => await bed?.shutdown());

/** The mount's part of the status file, which costs no process of Node.js; a stopped agent's is out of date. */
const mount = async () => {
  const status = JSON.parse(await bed.readFile('/run/s3files-sftp/status.json'));
  return status.state === 'stopped' ? { health: 'stopped', serving: false } : status.mount;
};
const mountIs = async (what: string, holds: (report: Awaited<ReturnType<typeof mount>>) => boolean) =>
  await until(what, async () => holds(await mount()), { timeoutMs: 30_000, everyMs: 200 });
const recovered = async (before: number) =>
  await mountIs('the recovery', ({ recoveries, serving }) => recoveries > before && serving);
const isListening = async () => (await bed.run(['ss', '-ltnH', 'sport', '=', ':2222'])) !== '';

describe('a lost mount whose helper fails', () => {
  const failures = Object.entries(HELPER_FAILURES).filter(
    ([name, { diagnosis }]) => diagnosis !== undefined && !/hangs|missing/.test(name),
  );

  it('is told in a sentence with what to do and when it is tried next, for each known failure', async () => {
    await bed.faults.umount('/home/sftp', '-l');
    for (const [name, { inject, diagnosis = /$^/ }] of failures) {
      const [, fault = ''] = /echo (\S+) >/.exec(inject) ?? [];
      await bed.writeFile('/run/bed/mount-fault', fault);
      await mountIs(name, ({ health, detail }) => health === 'failed' && diagnosis.test(detail));
      const report = await mount();
      expect(report, name).toMatchObject({
        serving: false,
        hint: expect.any(String),
        nextAttemptAt: expect.any(Number),
      });
    }
    await bed.run(['rm', '/run/bed/mount-fault']);
    await mountIs('healthy', ({ health }) => health === 'healthy');
    // Each waits for the next attempt, up to five seconds.
  }, 300_000);

  it('shows all of it in systemctl status and in doctor, and refuses partners at connect', async () => {
    const { recoveries } = await mount();
    await bed.s3files.faultMount('denied');
    await bed.faults.umount('/home/sftp', '-l');
    await mountIs('the verdict', ({ health }) => health === 'failed');
    const shown = /denied the mount.*→ allow s3files:ClientMount.*next attempt at \d\d:\d\d:\d\dZ/;
    await until('STATUS=', async () => shown.test(await bed.unit(AGENT, 'StatusText')));
    const doctor = await bed.exec(['s3files-sftp', 'doctor']);
    expect(doctor.code).toBe(1);
    expect(doctor.stdout).toMatch(/denied the mount[^\n]*\n\s+→ allow s3files:ClientMount/);
    expect(await isListening()).toBe(false);
    await bed.s3files.faultMount(undefined);
    await recovered(recoveries);
    expect(await isListening()).toBe(true);
  });
});

describe('whoever unmounts', () => {
  it('with a bare umount has it repaired', async () => {
    const { recoveries } = await mount();
    await bed.faults.umount('/home/sftp');
    await recovered(recoveries);
  });

  it('by stopping the unit is respected, until it is started', async () => {
    await bed.run(['systemctl', 'stop', UNIT]);
    await mountIs('maintenance', ({ health }) => health === 'maintenance');
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(await bed.unit(UNIT, 'ActiveState')).toBe('inactive');
    expect(await isListening()).toBe(false);
    await bed.run(['systemctl', 'start', UNIT]);
    await mountIs('healthy', ({ health, serving }) => health === 'healthy' && serving);
  });
});

describe('whoever stops the unit', () => {
  it('in vain, since it is busy, has taken nothing away: partners are served, and a later loss is repaired', async () => {
    const holder = bed.spawn(['sh', '-c', 'cd /home/sftp && exec sleep 300']);
    const isHeld = async () =>
      (await bed.exec(['sh', '-c', 'ls -l /proc/[0-9]*/cwd'])).stdout.includes('/home/sftp');
    await until('the holder', isHeld);
    expect((await bed.exec(['systemctl', 'stop', UNIT])).code).not.toBe(0);
    expect(await bed.unit(UNIT, 'ActiveState')).toBe('active');
    // What PID 1 says of it, by which the agent tells it from a stop that was done.
    const { stdout } = await bed.exec([
      'journalctl',
      '--output=json',
      '--lines=50',
      '_PID=1',
      `UNIT=${UNIT}`,
    ]);
    const messages = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const last = messages.findLast(({ JOB_TYPE }) => JOB_TYPE !== undefined);
    expect(last).toMatchObject({ JOB_TYPE: 'stop', JOB_RESULT: 'failed' });
    await mountIs('served on', ({ health, serving }) => health === 'healthy' && serving);
    const { recoveries } = await mount();
    await bed.faults.umount('/home/sftp', '-l');
    holder.kill();
    await recovered(recoveries);
  });

  it('and mounts by hand then, has that repaired', async () => {
    await bed.run(['systemctl', 'stop', UNIT]);
    await mountIs('maintenance', ({ health }) => health === 'maintenance');
    await bed.run(['mount', '-t', 's3files', `${FILE_SYSTEM}:/`, '/home/sftp']);
    await mountIs('healthy', ({ health, serving }) => health === 'healthy' && serving);
    const { recoveries } = await mount();
    await bed.faults.umount('/home/sftp', '-l');
    await recovered(recoveries);
  });
});

it('has refused partners when `maintenance on` ends, and `off` serves them again', async () => {
  await bed.run(['s3files-sftp', 'maintenance', 'on']);
  expect(await isListening()).toBe(false);
  expect(await bed.unit(SSHD, 'ActiveState')).toBe('inactive');
  await bed.run(['umount', '/home/sftp']);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect((await bed.exec(['findmnt', '/home/sftp'])).code).not.toBe(0);
  expect(await mount()).toMatchObject({ health: 'maintenance', serving: false, refused: true });
  await bed.run(['s3files-sftp', 'maintenance', 'off']);
  await mountIs('healthy', ({ health, serving }) => health === 'healthy' && serving);
});

it('serves on while PID 1 can’t start the write probe, and says so', async () => {
  // Where the probe's own program is being exchanged, as by an upgrade.
  const script = '/usr/lib/s3files-sftp/mount-namespace';
  await bed.run(['mv', script, `${script}.away`]);
  await mountIs('suspect', ({ health, serving }) => health === 'suspect' && serving);
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  expect(await mount()).toMatchObject({ serving: true, detail: expect.stringMatching(/can’t be probed/) });
  await bed.run(['mv', `${script}.away`, script]);
  await mountIs('healthy', ({ health, serving }) => health === 'healthy' && serving);
});

it('never serves another file system that is mounted over it, and takes that away', async () => {
  const { recoveries } = await mount();
  const sshd = await bed.unit(SSHD, 'MainPID');
  await bed.faults.mountOver('/home/sftp');
  await recovered(recoveries);
  // It may be over between two writings of the status: that partners were refused is seen by whom they reach now.
  expect(await bed.unit(SSHD, 'MainPID')).not.toBe(sshd);
  expect(await bed.run(['findmnt', '--noheadings', '--output', 'FSTYPE', '/home/sftp'])).not.toMatch(/tmpfs/);
});

it('refuses partners also when the mount goes while the agent is dead, and keeps the local disk clean', async () => {
  await bed.run(['systemctl', 'stop', AGENT]);
  expect(await isListening()).toBe(true);
  await bed.faults.umount('/home/sftp', '-l');
  await until('the partner sshd to go', async () => (await bed.unit(SSHD, 'ActiveState')) === 'inactive');
  expect(await isListening()).toBe(false);
  const write = await bed.exec(['sh', '-c', 'echo x > /home/sftp/stray']);
  expect(write.code).not.toBe(0);
  await bed.run(['systemctl', 'start', AGENT]);
  await mountIs('healthy', ({ health, serving }) => health === 'healthy' && serving);
});

describe('a partner sshd that starts while the agent is dead', () => {
  const stop = async () => await bed.run(['systemctl', 'kill', '--signal=KILL', SSHD]);
  /** systemd starts it again each second. */
  const isRefusing = async () =>
    (await bed.exec(['journalctl', '--namespace=s3files-sftp', '-o', 'cat', '-n', '20'])).stdout.includes(
      'is not what s3files-sftp-agent has proven',
    );
  beforeAll(async () => {
    await mountIs('healthy', ({ health, serving }) => health === 'healthy' && serving);
    await bed.run(['systemctl', 'stop', AGENT]);
  });
  afterAll(async () => {
    await bed.run(['systemctl', 'start', AGENT]);
    await mountIs('healthy', ({ health, serving }) => health === 'healthy' && serving);
  });

  it('serves on the mount that the agent has proven', async () => {
    const before = await bed.unit(SSHD, 'MainPID');
    await stop();
    await until('the next one', async () => {
      const pid = await bed.unit(SSHD, 'MainPID');
      return pid !== before && pid !== '0' && (await isListening());
    });
    await bed.run(['systemctl', 'restart', SSHD]);
    expect(await isListening()).toBe(true);
    expect(await isRefusing()).toBe(false);
  });

  it('serves no file system that was mounted over it since, and serves again once that is gone', async () => {
    await bed.faults.mountOver('/home/sftp');
    await stop();
    await until('the refusal', isRefusing);
    expect(await isListening()).toBe(false);
    // As long as it lasts: systemd tries each second.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(await isListening()).toBe(false);
    await bed.faults.umount('/home/sftp');
    await until('the door', isListening);
  });

  it('serves no mount of a kind that was made by hand since, though it is the same file system', async () => {
    await bed.faults.umount('/home/sftp', '-l');
    await until('the partner sshd to go', async () => (await bed.unit(SSHD, 'ActiveState')) === 'inactive');
    await bed.run(['mount', '-t', 's3files', `${FILE_SYSTEM}:/`, '/home/sftp']);
    expect((await bed.exec(['systemctl', 'start', SSHD])).code).not.toBe(0);
    expect(await isListening()).toBe(false);
    await bed.run(['systemctl', 'stop', SSHD]);
  });
});

it('starts the mount helper’s watchdog again', async () => {
  await bed.run(['systemctl', 'stop', 'amazon-efs-mount-watchdog']);
  const isBack = async () => (await bed.unit('amazon-efs-mount-watchdog', 'ActiveState')) === 'active';
  await until('the watchdog', isBack, { timeoutMs: 30_000, everyMs: 250 }).catch(async (cause) => {
    throw new Error(`it stays dead:\n${JSON.stringify(await mount())}\n${await agentLog(bed)}`, { cause });
  });
  expect((await mount()).serving).toBe(true);
});

it('removes logs of dead tunnels and an attempt that was cut off, and nothing else', async () => {
  const name = (port: number) => `${FILE_SYSTEM}.home.sftp.${port}`;
  const old = ['touch', '--date=20 minutes ago', '--'] as const;
  const logs = Array.from({ length: 30 }, (_, i) => `/var/log/amazon/efs/${name(21900 + i)}.efs-proxy.log`);
  const attempt = [
    `/run/efs/~${name(20800)}`,
    `/run/efs/${name(20800)}+`,
    `/run/efs/stunnel-config.${name(20800)}`,
  ];
  await bed.run(['mkdir', attempt[1] ?? '']);
  await bed.run([...old, ...logs, ...attempt]);
  const others = ['/var/log/amazon/efs/mount.log', '/run/efs/~fs-0123456789abcdef0.mnt.other.20801'];
  await bed.run([...old, ...others]);
  // It looks once a minute.
  const gone = async () => (await bed.exec(['test', '-e', attempt[0] ?? ''])).code !== 0;
  await until('the leftovers to go', gone, { timeoutMs: 75_000, everyMs: 500 });
  const listed = await bed.run(['ls', '-A', '/run/efs', '/var/log/amazon/efs']);
  // An earlier test's mount may have had the port by chance, and its tunnel's log stays for a while.
  expect(listed).not.toMatch(/20800(?!\.efs-proxy\.log)/);
  expect(listed.match(/\.219\d\d\.efs-proxy\.log/g) ?? []).toHaveLength(5);
  expect(listed).toMatch(/mount\.log/);
  expect(listed).toMatch(/~fs-0123456789abcdef0\.mnt\.other\.20801/);
});

describe('at shutdown', () => {
  const unit = 's3files-sftp-unmount.service';
  const takeAway = async () =>
    await bed.exec(['/usr/lib/s3files-sftp/unmount-dead', '/home/sftp'], { timeoutMs: 40_000 });

  it('stands a unit between the partners’ sshd and the mount', async () => {
    expect(await bed.unit(unit, 'ActiveState')).toBe('active');
    expect((await bed.unit(unit, 'After')).split(' ')).toContain(UNIT);
    expect((await bed.unit(unit, 'Before')).split(' ')).toContain(SSHD);
  });

  it('leaves a mount that answers to systemd, which writes what is not written yet', async () => {
    expect((await takeAway()).code).toBe(0);
    expect((await bed.exec(['findmnt', '/home/sftp'])).code).toBe(0);
  });

  it('takes one that hangs away within half a minute, with whoever holds it', async () => {
    await bed.run(['systemctl', 'stop', AGENT, SSHD]);
    const holder = bed.spawn(['sh', '-c', 'cd /home/sftp && exec sleep 300']);
    const holds = async () =>
      (await bed.exec(['sh', '-c', 'ls -l /proc/[0-9]*/cwd'])).stdout.includes('/home/sftp');
    await until('the holder', holds);
    await bed.faults.stopProxy();
    const began = performance.now();
    expect(await takeAway()).toMatchObject({ code: 0, stdout: expect.stringMatching(/does not answer/) });
    expect(performance.now() - began).toBeLessThan(30_000);
    expect(await bed.run(['cat', '/proc/1/mountinfo'])).not.toContain(' /home/sftp ');
    expect(await holds()).toBe(false);
    holder.kill();
  });
});
