import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { parseConfig } from '../../../agent/config.ts';
import { createLogWatch } from '../../../agent/host/log-watch.ts';
import type { ExecResult } from '../../../agent/os/exec.ts';
import type { Follow, FollowOptions } from '../../../agent/os/follow.ts';
import { createUploadFeed } from '../../../agent/uploads/feed.ts';
import { loadUploadState } from '../../../agent/uploads/state.ts';
import { close, createJournal, OPENED, openNew, T0 } from './journal-fixture.ts';

const CONFIG = parseConfig(
  '[mount]\nfile_system_id = "fs-0123456789abcdef0"\n[uploads]\nbucket = "bucket"\n',
  'test',
);
const FILES = 5_000;
const by = { pid: process.pid, uid: 0, identifier: 'sshd-session' };

it('takes uploads whose lines wait behind a full disk for no silent log, and counts each once', async () => {
  const journal = createJournal();
  const texts = [OPENED];
  for (let n = 0; n < FILES; n += 1) texts.push(openNew(`/upload/${n}`), close(`/upload/${n}`, 7));
  const lines = texts.map((text) => journal.text(text, by));
  const stop = new AbortController();
  const log = pino({ level: 'silent' });
  let witness: FollowOptions | undefined;
  const follow: Follow = ([program], options) => {
    if (program === 'witness') witness = options;
    else
      setTimeout(() => {
        for (const line of lines) options.onLine(line);
      });
    const ended = new Promise<string>(() => {});
    return { pid: 1, ended, write: () => {}, pause: () => {}, resume: () => {}, stop: () => {} };
  };
  let skipped = 0;
  let full = true;
  const clocks = { now: () => T0 + 200_000 + skipped, monotonicMs: () => performance.now() + skipped };
  const exec = async (): Promise<ExecResult> => ({ outcome: 'exited', code: 0, stdout: '', stderr: '' });
  const watch = createLogWatch(
    {
      sshdPid: () => '9',
      login: async () => null,
      heardMs: () => feed.probeHeardMs(),
      hasRead: (moment) => feed.hasRead(moment),
      arrange: async () => {},
    },
    {
      ...clocks,
      log,
      sleep: async () => {
        skipped += 1_000;
        await sleep(1);
      },
    },
    async () => 'sshd',
  );
  const feed = createUploadFeed(
    () => CONFIG,
    { loaded: loadUploadState(undefined, T0), witnessArgv: ['witness'] },
    {
      commit: async ({ position }) => {
        if (full && position !== null) throw new Error('ENOSPC');
      },
      log: { ...watch, state: () => watch.report().state },
    },
    { ...clocks, exec, follow, log, signal: stop.signal },
  );
  const running = feed.run(stop.signal);
  await expect.poll(() => feed.report().problems, { timeout: 5_000 }).toEqual(['ENOSPC']);
  for (let n = FILES - 100; n < FILES; n += 1)
    witness?.onLine(
      JSON.stringify({ kind: 'arrival', path: `alice/upload/${n}`, size: 7, at: T0 + 200_000 }),
    );
  await watch.tick();
  expect(watch.report().state).toBe('unproven');
  full = false;
  await expect.poll(() => feed.report().completed, { timeout: 10_000 }).toBe(FILES);
  await sleep(2_500);
  stop.abort();
  await running;
  expect(feed.report()).toMatchObject({ completed: FILES, bytes: 7 * FILES, approximate: 0 });
}, 30_000);
