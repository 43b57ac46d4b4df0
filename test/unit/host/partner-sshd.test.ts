import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../agent/config.ts';
import { createPartnerSshd, type PartnerSshd } from '../../../agent/host/partner-sshd.ts';
import { createLog } from '../../../agent/log.ts';
import type { Exec, ExecResult } from '../../../agent/os/exec.ts';

const exited = (stdout: string, code = 0, stderr = ''): ExecResult => ({
  outcome: 'exited',
  code,
  stdout,
  stderr,
});

const PROOF = '0:45 / nfs4 20123';

let directory: string;
let sshd: PartnerSshd;
let port: number;
let active: boolean;
/** Ports that this sshd's `-t` refuses. */
let refused: number | undefined;
let commands: string[];
let logged: string[];
let stop: AbortController;

const exec: Exec = async (argv) => {
  const line = argv.join(' ');
  commands.push(line);
  if (line.includes('systemctl show')) {
    return exited(`ActiveState=${active ? 'active' : 'inactive'}\nMainPID=${active ? process.pid : 0}\n`);
  }
  if (line.includes('sshd_config.new')) {
    const text = await readFile(join(directory, 'run/sshd_config.new'), 'utf8');
    return text.includes(`Port ${refused}\n`) ? exited('', 255, 'Badly configured') : exited('');
  }
  if (/ (start|stop) -- s3files-sftp-sshd/.test(line)) active = line.includes(' start ');
  return exited('');
};

const config = () =>
  parseConfig(
    `[mount]\nfile_system_id = "fs-0123456789abcdef0"\n[sshd]\nport = ${port}\n[uploads]\nbucket = "bucket"\n`,
  );
const paths = () => ({
  units: join(directory, 'units'),
  runtime: join(directory, 'run'),
  hostKeys: join(directory, 'host-keys'),
  sshd: '/usr/sbin/sshd',
});
const text = () => readFile(join(directory, 'run/sshd_config'), 'utf8');
const ran = (part: string) => commands.filter((line) => line.includes(part)).length;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sshd-'));
  await mkdir(join(directory, 'run'));
  port = 2222;
  active = false;
  refused = undefined;
  commands = [];
  logged = [];
  stop = new AbortController();
  sshd = createPartnerSshd(
    config,
    {
      exec,
      log: createLog('info', { write: (line) => logged.push(line) }),
      monotonicMs: () => performance.now(),
      signal: stop.signal,
    },
    paths(),
  );
});
afterEach(() => rm(directory, { recursive: true }));

describe('the partner sshd', () => {
  it('is bound to the mount unit before it is started', async () => {
    await sshd.start(PROOF);
    const dropIn = await readFile(join(directory, 'units/s3files-sftp-sshd.service.d/mount.conf'), 'utf8');
    expect(dropIn).toMatch(/^BindsTo=home-sftp\.mount$/m);
    expect(dropIn).toMatch(/^After=home-sftp\.mount$/m);
    expect(dropIn).toMatch(/^Environment=MOUNT_POINT=\/home\/sftp$/m);
    const order = (part: string) => commands.findIndex((line) => line.includes(part));
    expect(order('daemon-reload')).toBeGreaterThan(-1);
    expect(order('daemon-reload')).toBeLessThan(order('start -- s3files-sftp-sshd.service'));
    expect(sshd.active()).toBe(true);
  });

  it('reads a changed configuration without ending a session', async () => {
    await sshd.start(PROOF);
    port = 2022;
    sshd.configChanged();
    await sshd.refresh();
    expect(await text()).toContain('Port 2022\n');
    expect(ran('reload -- s3files-sftp-sshd.service')).toBe(1);
    expect(ran('stop --')).toBe(0);
    await sshd.refresh();
    expect(ran('reload -- s3files-sftp-sshd.service')).toBe(1);
  });

  it('keeps the old configuration where sshd refuses the new one, says so once, and still starts', async () => {
    await sshd.start(PROOF);
    port = 2022;
    refused = 2022;
    sshd.configChanged();
    await sshd.refresh();
    await sshd.refresh();
    expect(await text()).toContain('Port 2222\n');
    expect(logged.filter((line) => line.includes('Badly configured'))).toHaveLength(1);
    await sshd.stop();
    sshd.configChanged();
    await sshd.start(PROOF);
    expect(sshd.active()).toBe(true);
  });

  it('is not started without any configuration that sshd accepts', async () => {
    refused = 2222;
    await expect(sshd.start(PROOF)).rejects.toThrow(/Badly configured/);
    expect(ran('start -- s3files-sftp-sshd.service')).toBe(0);
  });

  it('is not started by an agent that ends meanwhile', async () => {
    const start = sshd.start(PROOF);
    stop.abort();
    await expect(start).rejects.toThrow(/told to stop/);
    expect(ran('start -- s3files-sftp-sshd.service')).toBe(0);
  });

  it('notices that its sshd is gone', async () => {
    await sshd.start(PROOF);
    active = false;
    await sshd.stop();
    await sshd.refresh();
    expect(sshd.active()).toBe(false);
  });
});

describe('the proof of the mount', () => {
  const proven = () => readFile(join(directory, 'run/proven'), 'utf8').catch(() => undefined);

  it('is there before the sshd starts, which serves no other, and gone before it is stopped', async () => {
    const seen: (string | undefined)[] = [];
    const watching: Exec = async (argv, options) => {
      if (/ (start|stop) -- s3files-sftp-sshd/.test(argv.join(' '))) seen.push(await proven());
      return await exec(argv, options);
    };
    const log = createLog('info', { write: () => {} });
    const own = createPartnerSshd(
      config,
      { exec: watching, log, monotonicMs: () => 0, signal: stop.signal },
      paths(),
    );
    await own.start(PROOF);
    await own.stop();
    expect(seen).toEqual([`${PROOF}\n`, undefined]);
  });

  it('lets the sshd of this mount run on, and ends one of another', async () => {
    await sshd.start(PROOF);
    await sshd.start(PROOF);
    expect(ran('stop --')).toBe(0);
    await sshd.start('0:46 / nfs4 20124');
    const order = (part: string) => commands.findLastIndex((line) => line.includes(part));
    expect(ran('stop -- s3files-sftp-sshd.service')).toBe(1);
    expect(order('stop --')).toBeLessThan(order('start --'));
    expect(await proven()).toBe('0:46 / nfs4 20124\n');
  });

  it('does not outlast a stop that came while it was written', async () => {
    const start = sshd.start(PROOF);
    await sshd.stop();
    await expect(start).rejects.toThrow(/told to stop/);
    expect(await proven()).toBeUndefined();
    expect(active).toBe(false);
  });
});

describe('the chroots’ log socket', () => {
  it('is bound for a running sshd, in its namespace, for valid names only', async () => {
    await sshd.start(PROOF);
    const before = ran('nsenter');
    await sshd.setChroots(['acme', '../etc', 'a b', 'beta', 'x\ny']);
    expect(await readFile(join(directory, 'run/chroots'), 'utf8')).toBe('acme\nbeta\n');
    expect(ran(`nsenter --target=${process.pid} --mount`)).toBe(before + 1);
    const dev = join(directory, 'run/dev');
    expect(await readFile(join(directory, 'run/new-chroots.fstab'), 'utf8')).toBe(
      [join(directory, 'run/probe'), '/home/sftp/acme', '/home/sftp/beta']
        .map((chroot) => `${dev} ${chroot}/dev none bind,nofail 0 0\n`)
        .join(''),
    );
  });

  it('waits for the start where no sshd runs', async () => {
    await sshd.setChroots(['acme']);
    expect(ran('nsenter')).toBe(0);
    expect(await readFile(join(directory, 'run/chroots'), 'utf8')).toBe('acme\n');
  });
});

describe('told to stop while a start hangs on the mount', () => {
  it('stops at once, and the start does not outlast it', async () => {
    const { promise: bound, resolve: release } = Promise.withResolvers<void>();
    let binding = false;
    let hangs = false;
    const hanging: Exec = async (argv, options) => {
      if (hangs && argv.join(' ').includes('nsenter')) {
        binding = true;
        await bound;
      }
      return await exec(argv, options);
    };
    const slow = createPartnerSshd(
      config,
      {
        exec: hanging,
        log: createLog('info', { write: () => {} }),
        monotonicMs: () => performance.now(),
        signal: stop.signal,
      },
      paths(),
    );
    await slow.start(PROOF);
    hangs = true;
    const chroots = slow.setChroots(['alice']);
    await expect.poll(() => binding).toBe(true);
    const restart = slow.start(PROOF);
    await slow.stop();
    expect(active).toBe(false);
    release();
    await chroots;
    await expect(restart).rejects.toThrow(/told to stop/);
    expect(active).toBe(false);
  });
});
