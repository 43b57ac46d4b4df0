import { afterEach, describe, expect, it, vi } from 'vitest';
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
  prober.startStatfs(1, '/m', 4);
  prober.startStatfs(1, '/m', 4);
  prober.startWrite(1, '/m', 4);
  expect(started).toHaveLength(1);
  started[0]?.answer(fine);
  await settle();
  expect(prober.take(1)).toMatchObject([{ kind: 'statfs', fault: 'none' }]);
  expect(prober.take(1)).toEqual([]);
  prober.startWrite(1, '/m', 4);
  expect(started).toHaveLength(2);
});

it('runs the write probe where no link is followed', () => {
  const { prober, started } = bench();
  prober.startWrite(1, '/m', 4);
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
  prober.startStatfs(1, '/m', 4);
  started[0]?.answer({ outcome: 'timeout', timeoutMs: 4000, stdout: '', stderr: '', reaped });
  await settle();
  expect(prober.take(1)).toMatchObject([{ fault: 'hung' }]);
  expect(prober.stuck()).toBe(1);
  prober.startStatfs(1, '/m', 4);
  expect(started).toHaveLength(1);

  // That it is still there is a finding of its own, once a second.
  expect(prober.take(1)).toEqual([]);
  pass(1000);
  expect(prober.take(1)).toMatchObject([{ fault: 'hung', detail: expect.stringContaining('stuck') }]);
  expect(prober.take(1)).toEqual([]);

  die();
  await settle();
  expect(prober.stuck()).toBe(0);
  prober.startStatfs(1, '/m', 4);
  expect(started).toHaveLength(2);
});

describe('a probe that hangs for good in a mount that is gone', () => {
  const hang = (timeoutMs: number): ExecResult => ({
    outcome: 'timeout',
    timeoutMs,
    stdout: '{"step":"begun"}\n',
    stderr: '',
    reaped: new Promise(() => {}),
  });

  it('neither speaks against the next mount nor keeps it from being probed', async () => {
    const { prober, started, leftInUnit, settle, pass } = bench();
    prober.startStatfs(1, '/m', 4);
    started[0]?.answer(hang(4000));
    await settle();
    prober.startStatfs(2, '/m', 4);
    expect(started).toHaveLength(2);
    pass(60_000);
    expect(prober.take(2)).toEqual([]);
    started[1]?.answer(fine);
    await settle();
    expect(prober.take(2)).toMatchObject([{ kind: 'statfs', fault: 'none' }]);
    expect(prober.stuck()).toBe(1);
    // Visible again, as when what lay over it was taken away, it is still hung.
    expect(prober.isBusy(1)).toBe(true);
    expect(prober.take(1)).toMatchObject([{ fault: 'hung' }]);
    leftInUnit.push(4711);
    prober.startWrite(3, '/m', 4);
    started[2]?.answer(hang(13_000));
    await settle();
    prober.startWrite(4, '/m', 4);
    const units = started.map(({ argv }) => argv.find((word) => word.startsWith('--unit=')));
    expect(units[3]).toBeDefined();
    expect(units[3]).not.toBe(units[2]);
  });

  it('is one of a bounded number, and past that it is said why no other is begun', async () => {
    const { prober, started, settle } = bench();
    for (let mountId = 0; mountId < 40; mountId += 1) {
      prober.startStatfs(mountId, '/m', 4);
      started[mountId]?.answer(hang(4000));
      await settle();
    }
    expect(started).toHaveLength(16);
    expect(prober.stuck()).toBe(16);
    prober.startStatfs(99, '/m', 4);
    expect(prober.take(99)).toEqual([{ kind: 'statfs', problem: expect.stringMatching(/reboot/) }]);
  });
});

it('drops what a probe of another mount says, however late it comes', async () => {
  const { prober, started, settle } = bench();
  prober.startWrite(1, '/m', 4);
  expect(prober.take(2)).toEqual([]);
  started[0]?.answer({ ...fine, stdout: '{"step":"done"}' });
  await settle();
  expect(prober.take(2)).toEqual([]);
  expect(prober.take(1)).toEqual([]);
});

it('takes a probe that could not even be spawned for no word about the mount', async () => {
  const prober = createProber({
    // Without a file descriptor left, Node.js gives a child without pipes.
    exec: async () => await Promise.reject(new TypeError('child.stdout is undefined')),
    monotonicMs: () => 0,
    writeProbe: ['agent', 'mount-probe'],
  });
  prober.startStatfs(1, '/m', 4);
  await prober.wait(1, 1_000);
  expect(prober.take(1)).toEqual([
    { kind: 'statfs', problem: expect.stringMatching(/could not be started/) },
  ]);
  expect(prober.isBusy(1)).toBe(false);
});

afterEach(() => {
  vi.useRealTimers();
});

it('lets a write that does not answer speak against the mount long before its own deadline', () => {
  vi.useFakeTimers();
  const { prober, started } = bench();
  prober.startWrite(1, '/m', 1);
  started[0]?.say?.('{"step":"begun"}\n');
  vi.advanceTimersByTime(8_000);
  expect(prober.take(1)).toMatchObject([
    { kind: 'write', fault: 'hung' },
    { kind: 'write', fault: 'hung' },
  ]);
});

it('does not blame the mount for a host that is slow to start a write', async () => {
  vi.useFakeTimers();
  const { prober, started } = bench();
  prober.startWrite(1, '/m', 1);
  vi.advanceTimersByTime(12_000);
  expect(prober.take(1)).toEqual([]);
  started[0]?.answer({
    outcome: 'timeout',
    timeoutMs: 13_000,
    stdout: '',
    stderr: '',
    reaped: Promise.resolve(),
  });
  await vi.advanceTimersByTimeAsync(0);
  expect(prober.take(1)).toMatchObject([{ kind: 'write', problem: expect.stringMatching(/not begun/) }]);
  expect(prober.isBusy(1)).toBe(false);
});

it('counts a write probe that systemd could not kill, and starts no other meanwhile', async () => {
  vi.useFakeTimers();
  const { prober, started, leftInUnit } = bench();
  prober.startWrite(1, '/m', 1);
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
  prober.startStatfs(1, '/m', 1);
  expect(started).toHaveLength(1);
  leftInUnit.pop();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(prober.stuck()).toBe(0);
});

it('asks a statfs beside a write that was killed before it came to the mount, and hangs elsewhere', async () => {
  vi.useFakeTimers();
  const { prober, started, leftInUnit } = bench();
  prober.startWrite(1, '/m', 1);
  leftInUnit.push(4711);
  started[0]?.answer({
    outcome: 'timeout',
    timeoutMs: 13_000,
    stdout: '',
    stderr: '',
    reaped: Promise.resolve(),
  });
  await vi.advanceTimersByTimeAsync(0);
  expect(prober.take(1)).toMatchObject([{ problem: expect.any(String) }]);
  expect(prober.stuck()).toBe(1);
  prober.startStatfs(1, '/m', 1);
  expect(started).toHaveLength(2);
  expect(prober.take(1)).toEqual([]);
});
