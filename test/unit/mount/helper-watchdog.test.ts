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
let clock: number;
let watchdog: HelperWatchdog;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'state-'));
  commands = [];
  active = true;
  clock = 0;
  const exec: Exec = async (argv) => {
    commands.push(argv.join(' '));
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
      log: createLog('info', { write: () => {} }),
      now: () => NOW + clock,
      monotonicMs: () => clock,
    },
    directory,
  );
});
afterEach(() => rm(directory, { recursive: true }));

/** The state file as last written so many seconds ago. */
const written = async (secondsAgo: number) => {
  await writeFile(join(directory, NAME), '{}');
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
