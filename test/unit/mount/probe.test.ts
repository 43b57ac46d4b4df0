import { afterEach, expect, it, vi } from 'vitest';
import { createProber } from '../../../agent/mount/probe.ts';
import type { Argv, ExecResult } from '../../../agent/os/exec.ts';

const fine: ExecResult = { outcome: 'exited', code: 0, stdout: '', stderr: '' };

function bench() {
  const started: {
    argv: Argv;
    answer: (result: ExecResult) => void;
    say: ((text: string) => void) | undefined;
  }[] = [];
  const leftInUnit: number[] = [];
  let clock = 0;
  const prober = createProber({
    exec: (argv, options) => new Promise((answer) => started.push({ argv, answer, say: options?.onStdout })),
    monotonicMs: () => clock,
    writeProbe: ['agent', 'mount-probe'],
    processesLeft: async () => leftInUnit,
  });
  return {
    prober,
    started,
    leftInUnit,
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
  const { prober, started } = bench();
  prober.startWrite('/m', 1);
  started[0]?.say?.('{"step":"begun"}\n');
  vi.advanceTimersByTime(8_000);
  expect(prober.take()).toMatchObject([
    { kind: 'write', fault: 'hung' },
    { kind: 'write', fault: 'hung' },
  ]);
});

it('does not blame the mount for a host that is slow to start a write', async () => {
  vi.useFakeTimers();
  const { prober, started } = bench();
  prober.startWrite('/m', 1);
  vi.advanceTimersByTime(12_000);
  expect(prober.take()).toEqual([]);
  started[0]?.answer({
    outcome: 'timeout',
    timeoutMs: 13_000,
    stdout: '',
    stderr: '',
    reaped: Promise.resolve(),
  });
  await vi.advanceTimersByTimeAsync(0);
  expect(prober.take()).toEqual([]);
  expect(prober.isBusy()).toBe(false);
});

it('counts a write probe that systemd could not kill, and starts no other meanwhile', async () => {
  vi.useFakeTimers();
  const { prober, started, leftInUnit } = bench();
  prober.startWrite('/m', 1);
  leftInUnit.push(4711);
  // systemd-run itself is gone at once: what hangs is the unit's process.
  const stdout = '{"step":"begun"}\n';
  started[0]?.answer({
    outcome: 'timeout',
    timeoutMs: 13_000,
    stdout,
    stderr: '',
    reaped: Promise.resolve(),
  });
  await vi.advanceTimersByTimeAsync(0);
  expect(prober.stuck()).toBe(1);
  prober.startStatfs('/m', 1);
  expect(started).toHaveLength(1);
  leftInUnit.pop();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(prober.stuck()).toBe(0);
});
