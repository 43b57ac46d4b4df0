import { expect, it } from 'vitest';
import { createLog } from '../../../agent/log.ts';
import type { FollowOptions } from '../../../agent/os/follow.ts';
import { noteKnown } from '../../../agent/uploads/known-files.ts';
import type { WitnessReport } from '../../../agent/uploads/witness.ts';
import { watchWitness } from '../../../agent/uploads/witness-watch.ts';

function rig() {
  const told: Record<string, unknown>[] = [];
  const starts: { options: FollowOptions; end: (how: string) => void; stopped: boolean }[] = [];
  let clock = 0;
  const watch = watchWitness(['witness', '/home/sftp'], {
    follow: (_argv, options) => {
      let end: (how: string) => void = () => {};
      const ended = new Promise<string>((resolve) => {
        end = resolve;
      });
      const start = { options, end, stopped: false };
      starts.push(start);
      const stop = () => {
        start.stopped = true;
      };
      return { pid: 1, ended, write: () => {}, pause: () => {}, resume: () => {}, stop };
    },
    monotonicMs: () => clock,
    log: createLog('info', { write: (line) => told.push(JSON.parse(line)) }),
    signal: new AbortController().signal,
  });
  const say = (report: WitnessReport) => starts.at(-1)?.options.onLine(JSON.stringify(report));
  const alive = () => say({ kind: 'alive', ready: true, residentBytes: 1 });
  const pass = (ms: number) => {
    clock += ms;
    alive();
  };
  const leave = (ms: number) => {
    clock += ms;
  };
  return { watch, starts, say, pass, leave, told };
}

const arrival = (path: string): WitnessReport => ({ kind: 'arrival', path, size: 1, at: 5 });
const nothingOpen = () => false;

it('says nothing about a file that the log tells of before or soon after', () => {
  const { watch, say, pass } = rig();
  watch.noteKnown('alice/upload/before');
  say(arrival('alice/upload/before'));
  say(arrival('alice/upload/after'));
  pass(5_000);
  watch.noteKnown('alice/upload/after');
  pass(20_000);
  expect(watch.takeUnknown(nothingOpen)).toEqual([]);
  expect(watch.status()).toEqual({ state: 'watching', unknownArrivals: 0, problem: null });
});

it('reports once, and only after a grace, a file that the log does not know', () => {
  const { watch, say, pass } = rig();
  say(arrival('alice/upload/x'));
  pass(10_000);
  expect(watch.takeUnknown(nothingOpen)).toEqual([]);
  pass(10_000);
  expect(watch.takeUnknown(nothingOpen)).toMatchObject([{ path: 'alice/upload/x', size: 1 }]);
  expect(watch.takeUnknown(nothingOpen)).toEqual([]);
  expect(watch.status().unknownArrivals).toBe(1);
});

it('takes a file that is being written for known', () => {
  const { watch, say, pass } = rig();
  say(arrival('alice/upload/big'));
  pass(20_000);
  expect(watch.takeUnknown((path) => path === 'alice/upload/big')).toEqual([]);
});

it('starts a witness again that gives no sign of life, once it is gone', async () => {
  const { watch, starts, pass, leave } = rig();
  pass(1_000);
  leave(11_000);
  watch.takeUnknown(nothingOpen);
  expect(starts[0]?.stopped).toBe(true);
  expect(watch.status()).toMatchObject({ state: 'failed', problem: expect.stringContaining('sign of life') });
  for (let n = 0; n < 100; n += 1) {
    pass(60_000);
    watch.takeUnknown(nothingOpen);
  }
  expect(starts).toHaveLength(1);
  expect(watch.status().state).toBe('failed');
  starts[0]?.end('killed by SIGKILL');
  await new Promise((resolve) => setTimeout(resolve));
  watch.takeUnknown(nothingOpen);
  expect(starts).toHaveLength(1);
  leave(5_000);
  watch.takeUnknown(nothingOpen);
  expect(starts).toHaveLength(2);
});

it('leaves a tree alone for an hour that is too large to watch', async () => {
  const { watch, starts, leave } = rig();
  starts[0]?.end('exit 3');
  await new Promise((resolve) => setTimeout(resolve));
  expect(watch.status().state).toBe('too large');
  leave(60_000);
  watch.takeUnknown(nothingOpen);
  expect(starts).toHaveLength(1);
  leave(3_600_000);
  watch.takeUnknown(nothingOpen);
  expect(starts).toHaveLength(2);
});

it('remembers a bounded number of files, and says how many it could not', () => {
  const { watch, say, pass, told } = rig();
  for (let n = 0; n < 30_000; n += 1) say(arrival(`alice/upload/${n}`));
  pass(20_000);
  const unknown = watch.takeUnknown(nothingOpen);
  expect(unknown).toHaveLength(20_000);
  expect(unknown.at(-1)?.path).toBe('alice/upload/29999');
  expect(told).toMatchObject([{ files: 10_000, 'activity-type': 'UNKNOWN' }]);
  expect(watch.status().unknownArrivals).toBe(30_000);
  watch.takeUnknown(nothingOpen);
  expect(told).toHaveLength(1);
});

it('is started again at once when another file system is mounted, without a word of warning', async () => {
  const { watch, starts } = rig();
  starts[0]?.end('exit 4');
  await Promise.resolve();
  watch.takeUnknown(() => false);
  expect(starts).toHaveLength(2);
  expect(watch.status()).toMatchObject({ state: 'starting', problem: null });
});

it('knows what is in a directory that the log renamed', () => {
  const { watch, say, pass } = rig();
  watch.noteKnown('alice/upload/new');
  say({ kind: 'arrival', path: 'alice/upload/new/a', size: 1, at: 0 });
  say({ kind: 'arrival', path: 'alice/upload/newer/a', size: 1, at: 0 });
  pass(16_000);
  expect(watch.takeUnknown(() => false).map(({ path }) => path)).toEqual(['alice/upload/newer/a']);
});

it('forgets no stranger for many files that the log knows', () => {
  const { watch, say, pass, told } = rig();
  say(arrival('alice/upload/stranger'));
  for (let n = 0; n < 30_000; n += 1) {
    watch.noteKnown(`alice/upload/${n}`);
    say(arrival(`alice/upload/${n}`));
  }
  pass(20_000);
  expect(watch.takeUnknown(nothingOpen)).toMatchObject([{ path: 'alice/upload/stranger' }]);
  expect(told).toEqual([]);
});

it('knows a file whose attributes a partner set', () => {
  const { watch, say, pass } = rig();
  const actor = { session: 's', user: 'alice', address: null };
  const fields = { path: '/upload/old' };
  const common = { id: 'i', at: 0, level: 'debug', message: 'attributes set', actor, fields } as const;
  noteKnown(watch, { kind: 'activity', type: 'SETSTAT', ...common });
  say(arrival('alice/upload/old'));
  pass(20_000);
  expect(watch.takeUnknown(nothingOpen)).toEqual([]);
});
