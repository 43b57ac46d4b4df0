import { afterEach, expect, it, vi } from 'vitest';
import { createProber } from '../../../agent/mount/probe.ts';
import type { Argv, ExecResult } from '../../../agent/os/exec.ts';

const fine: ExecResult = { outcome: 'exited', code: 0, stdout: '', stderr: '' };

function bench() {
  const started: { argv: Argv; answer: (result: ExecResult) => void }[] = [];
  let clock = 0;
  const prober = createProber({
    exec: (argv) => new Promise((answer) => started.push({ argv, answer })),
    monotonicMs: () => clock,
    writeProbe: ['agent', 'mount-probe'],
  });
  return {
    prober,
    started,
    pass: (ms: number) => {
      clock += ms;
    },
    settle: () => new Promise((resolve) => setImmediate(resolve)),
  };
}

it('has one probe under way, never two', async () => {
  const { prober, started, settle } = bench();
  prober.startStatfs('/m', 4);
  prober.startStatfs('/m', 4);
  prober.startWrite('/m', 4);
  expect(started).toHaveLength(1);
  started[0]?.answer(fine);
  await settle();
  expect(prober.take()).toMatchObject([{ kind: 'statfs', fault: 'none' }]);
  expect(prober.take()).toEqual([]);
  prober.startWrite('/m', 4);
  expect(started).toHaveLength(2);
});

it('runs the write probe where no link is followed', () => {
  const { prober, started } = bench();
  prober.startWrite('/m', 4);
  const argv = started[0]?.argv ?? [];
  expect(argv).toContain('--property=PrivateMounts=yes');
  expect(argv.slice(-3)).toEqual(['agent', 'mount-probe', '/m']);
});

it('keeps a killed probe that does not die in quarantine, and starts no other', async () => {
  const { prober, started, settle, pass } = bench();
  let die: () => void = () => {};
  const reaped = new Promise<void>((resolve) => {
    die = resolve;
  });
  prober.startStatfs('/m', 4);
  started[0]?.answer({ outcome: 'timeout', timeoutMs: 4000, stdout: '', stderr: '', reaped });
  await settle();
  expect(prober.take()).toMatchObject([{ fault: 'hung' }]);
  expect(prober.stuck()).toBe(1);
  prober.startStatfs('/m', 4);
  expect(started).toHaveLength(1);

  // That it is still there is a finding of its own, once a second.
  expect(prober.take()).toEqual([]);
  pass(1000);
  expect(prober.take()).toMatchObject([{ fault: 'hung', detail: expect.stringContaining('stuck') }]);
  expect(prober.take()).toEqual([]);

  die();
  await settle();
  expect(prober.stuck()).toBe(0);
  prober.startStatfs('/m', 4);
  expect(started).toHaveLength(2);
});

afterEach(() => {
  vi.useRealTimers();
});

it('lets a write that does not answer speak against the mount long before its own deadline', () => {
  vi.useFakeTimers();
  const { prober } = bench();
  prober.startWrite('/m', 1);
  vi.advanceTimersByTime(8_000);
  expect(prober.take()).toMatchObject([
    { kind: 'write', fault: 'hung' },
    { kind: 'write', fault: 'hung' },
  ]);
});
