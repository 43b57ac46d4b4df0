import { pino } from 'pino';
import { expect, it } from 'vitest';
import { parseConfig } from '../../../agent/config.ts';
import type { ExecResult } from '../../../agent/os/exec.ts';
import type { Follow } from '../../../agent/os/follow.ts';
import { createUploadFeed } from '../../../agent/uploads/feed.ts';
import { emptyUploadState, loadUploadState, type UploadState } from '../../../agent/uploads/state.ts';
import type { Effects } from '../../../agent/uploads/tally.ts';
import { close, createJournal, OPENED, openNew, T0 } from './journal-fixture.ts';

const CONFIG = parseConfig(
  '[mount]\nfile_system_id = "fs-0123456789abcdef0"\n[uploads]\nbucket = "bucket"\nwitness = false',
  'test',
);

/** A feed on a journal of the test's own; it runs until `stop`, and gives what was committed. */
function startFeed(state: unknown, lines: readonly string[], stdoutOfOwnLog = '') {
  const committed: { state: UploadState; effects: Effects }[] = [];
  const stop = new AbortController();
  const argvs: (readonly string[])[] = [];
  const follow: Follow = (argv, options) => {
    argvs.push(argv);
    let end: (how: string) => void = () => {};
    const ended = new Promise<string>((resolve) => {
      end = resolve;
    });
    setTimeout(() => {
      for (const line of lines) options.onLine(line);
    });
    const stopChild = () => end('killed');
    return { pid: 1, ended, write: () => {}, pause: () => {}, resume: () => {}, stop: stopChild };
  };
  const exec = async (): Promise<ExecResult> => ({
    outcome: 'exited',
    code: 0,
    stdout: stdoutOfOwnLog,
    stderr: '',
  });
  const feed = createUploadFeed(
    () => CONFIG,
    { loaded: loadUploadState(state, T0), witnessArgv: ['true'] },
    {
      commit: async (next, effects) => {
        committed.push({ state: JSON.parse(JSON.stringify(next)), effects });
      },
    },
    {
      exec,
      follow,
      // No upload is due in the bucket yet.
      now: () => T0 + 1_000,
      monotonicMs: () => performance.now(),
      log: pino({ level: 'silent' }),
      signal: stop.signal,
    },
  );
  const running = feed.run(stop.signal);
  const end = async () => {
    stop.abort();
    await running;
    return committed;
  };
  return { feed, end, committed, argvs };
}

const messages = (committed: readonly { effects: Effects }[]) =>
  committed.flatMap(({ effects }) => effects.lines.map(({ message }) => message));
const untilCounted = async (feed: ReturnType<typeof startFeed>['feed'], files: number) => {
  while (feed.report().completed < files) await new Promise((resolve) => setTimeout(resolve, 10));
};

// The sessions are the monitor's, so that no account of this machine is asked for, and a process that exists.
const by = { pid: process.pid, uid: 0, identifier: 'sshd-session' };

it('counts from the journal, commits the counts with the place in it, and goes on from there', async () => {
  const journal = createJournal();
  const first = [OPENED, openNew('/upload/a')].map((text) => journal.text(text, by));
  const second = [close('/upload/a', 3), openNew('/upload/b')].map((text) => journal.text(text, by));

  const before = startFeed(undefined, [...first, ...second]);
  await untilCounted(before.feed, 1);
  const committed = await before.end();
  expect(messages(committed)).toEqual(['session opened', 'upload complete']);
  expect(committed[0]?.state).toMatchObject({ position: null, outstanding: [] });
  const state = committed.at(-1)?.state;
  expect(state).toMatchObject({
    totals: { completed: 1, bytes: 3 },
    outstanding: [{ path: '/upload/a', size: 3 }],
  });

  const written = JSON.stringify({ 'event-id': 'b2099b6b-1' });
  const third = [close('/upload/b', 4), 'closedir "/upload"'].map((text) => journal.text(text, by));
  const after = startFeed(state, [second.at(-1) ?? '', ...third], written);
  await untilCounted(after.feed, 2);
  const rest = await after.end();
  expect(after.argvs[0]).toContain(`--cursor=${state?.position?.cursor}`);
  // Of the last commit's two lines the log held one; the other is logged now, and nothing is counted again.
  expect(messages(rest)).toEqual(['upload complete', 'upload complete']);
  expect(rest.at(-1)?.state.totals).toMatchObject({ completed: 2, bytes: 7, gaps: 0 });
});

it('logs after a crash what the last commit held and the log does not', async () => {
  const line = (id: string) => ({ level: 'info', message: id, fields: { 'event-id': id } }) as const;
  const state = {
    ...emptyUploadState(1),
    position: { cursor: 'c', at: 1 },
    outbox: { at: 1, lines: [line('written'), line('lost')] },
  };
  const { end } = startFeed(state, [], '{"event-id":"written"}\n');
  const committed = await end();
  expect(messages(committed)).toEqual(['lost']);
  expect(committed.flatMap(({ effects }) => effects.counts)).toEqual([]);
});

it('begins anew with a state that is unusable, and tells it as a gap', async () => {
  const { end } = startFeed({ version: 7 }, []);
  const committed = await end();
  expect(messages(committed)).toEqual([expect.stringContaining('a gap in the log')]);
  expect(committed.at(-1)?.state.totals.gaps).toBe(1);
});
