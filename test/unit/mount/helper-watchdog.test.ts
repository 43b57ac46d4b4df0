import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLog } from '../../../agent/log.ts';
import { createHelperWatchdog, type HelperWatchdog } from '../../../agent/mount/helper-watchdog.ts';
import type { Exec } from '../../../agent/os/exec.ts';

const NOW = 1_700_000_000_000;
const NAME = 'fs-0123456789abcdef0.home.sftp.20123';
let directory: string;
let commands: string[];
let active: boolean;
let masked: boolean;
let logged: { problem?: string }[];
let clock: number;
let watchdog: HelperWatchdog;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'state-'));
  commands = [];
  active = true;
  masked = false;
  logged = [];
  clock = 0;
  const exec: Exec = async (argv) => {
    commands.push(argv.join(' '));
    if (masked && argv.includes('start')) {
      return { outcome: 'exited', code: 1, stdout: '', stderr: 'Failed to start it: Unit is masked.\n' };
    }
    return {
      outcome: 'exited',
      code: 0,
      stdout: `ActiveState=${active ? 'active' : 'failed'}\n`,
      stderr: '',
    };
  };
  watchdog = createHelperWatchdog(
    {
      exec,
      log: createLog('info', { write: (line) => logged.push(JSON.parse(line)) }),
      now: () => NOW + clock,
      monotonicMs: () => clock,
    },
    directory,
  );
});
afterEach(() => rm(directory, { recursive: true }));

/** The state file as last written so many seconds ago. */
const written = async (secondsAgo: number, state: object = {}) => {
  await writeFile(join(directory, NAME), JSON.stringify(state));
  const at = (NOW + clock) / 1000 - secondsAgo;
  await utimes(join(directory, NAME), at, at);
};
const started = () => commands.filter((line) => / start /.test(line)).length;

it('leaves one alone that looks after the mount, also while its own df of 30 s is under way', async () => {
  await written(35);
  await watchdog.look('/home/sftp', 20123);
  expect(watchdog.problem()).toBeUndefined();
  expect(started()).toBe(0);
});

it('kills and starts one that is frozen: it runs, and has not written the state file', async () => {
  await written(120);
  await watchdog.look('/home/sftp', 20123);
  expect(watchdog.problem()).toMatch(/has not looked at the mount for 120 s/);
  const kill = commands.findIndex((line) => line.includes('kill --kill-who=main --signal=SIGKILL'));
  expect(kill).toBeGreaterThan(-1);
  expect(kill).toBeLessThan(commands.findIndex((line) => / start /.test(line)));
});

it('starts a dead one, and is content once it writes again', async () => {
  active = false;
  await watchdog.look('/home/sftp', 20123);
  expect(watchdog.problem()).toMatch(/is not running/);
  expect(started()).toBe(1);
  active = true;
  clock += 10_000;
  await written(1);
  await watchdog.look('/home/sftp', 20123);
  expect(watchdog.problem()).toBeUndefined();
});

it('asks systemd no more than every ten seconds', async () => {
  await written(1);
  for (clock = 0; clock < 60_000; clock += 250) await watchdog.look('/home/sftp', 20123);
  expect(commands.length).toBeLessThanOrEqual(6);
});

it('judges by the file of the port that is mounted, not by another mount’s', async () => {
  await written(500);
  await watchdog.look('/home/sftp', 20999);
  expect(watchdog.problem()).toBeUndefined();
});

it('says so for as long as it can’t be started, and logs that once', async () => {
  active = false;
  masked = true;
  for (let looks = 0; looks < 30; looks += 1) {
    clock += 10_000;
    await watchdog.look('/home/sftp', 20123);
    expect(watchdog.problem()).toMatch(/is not running/);
  }
  expect(started()).toBe(30);
  expect(logged.length).toBeLessThanOrEqual(2);
});

it('is found frozen also while nothing is mounted: it takes state files away within a minute', async () => {
  await written(80);
  await watchdog.look('/home/sftp', undefined);
  expect(watchdog.problem()).toBeUndefined();
  clock += 10_000;
  await watchdog.look('/home/sftp', undefined);
  expect(watchdog.problem()).toMatch(/has not looked/);
  expect(started()).toBe(1);
});

it('is not ended again before it had the time to mend what it was started for', async () => {
  await written(120);
  for (let seconds = 0; seconds < 80; seconds += 10, clock += 10_000) {
    await watchdog.look('/home/sftp', 20123);
    expect(watchdog.problem()).toMatch(/has not looked/);
  }
  expect(started()).toBe(1);
  clock += 20_000;
  await watchdog.look('/home/sftp', 20123);
  expect(started()).toBe(2);
});

it('is at fault where a certificate is not renewed, well before the certificate ends', async () => {
  // NOW is 2023-11-14 22:13:20 UTC; a certificate lasts three hours.
  await written(1, { certificateCreationTime: '231114211320Z' });
  await watchdog.look('/home/sftp', 20123);
  expect(watchdog.problem()).toBeUndefined();
  clock += 10_000;
  await written(1, { certificateCreationTime: '231114203300Z' });
  await watchdog.look('/home/sftp', 20123);
  expect(watchdog.problem()).toMatch(/not renewed the mount’s certificate for 101 min/);
  expect(started()).toBe(1);
});
