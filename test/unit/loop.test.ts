import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createLog } from '../../agent/log.ts';
import { restAfter, startLoop } from '../../agent/loop.ts';

function bed() {
  const stop = new AbortController();
  const lines: string[] = [];
  const clock = { ms: 0 };
  const edges = {
    monotonicMs: () => clock.ms,
    random: () => 0.5,
    log: createLog('info', { write: (line) => lines.push(line) }),
    signal: stop.signal,
  };
  return { stop, lines, clock, edges };
}

const timing = { periodMs: () => 5, maxBackoffMs: 40, deadlineMs: 1000 };

describe('startLoop', () => {
  it('never runs two ticks at once, even when woken meanwhile', async () => {
    const { stop, edges } = bed();
    let running = 0;
    let most = 0;
    let ticks = 0;
    const loop = startLoop(
      {
        ...timing,
        name: 'test',
        tick: async () => {
          running += 1;
          most = Math.max(most, running);
          await sleep(5);
          running -= 1;
          ticks += 1;
        },
      },
      edges,
    );
    for (let i = 0; i < 10; i += 1) {
      loop.wake();
      await sleep(2);
    }
    stop.abort();
    await loop.ended;
    expect(most).toBe(1);
    expect(ticks).toBeGreaterThan(1);
  });

  it('rests up to a tenth less than its period and never more', async () => {
    const { stop, edges } = bed();
    const began: number[] = [];
    const tick = async () => {
      began.push(performance.now());
      if (began.length === 2) stop.abort();
    };
    const options = { ...timing, name: 'test', periodMs: () => 400, tick };
    await startLoop(options, { ...edges, random: () => 0.999 }).ended;
    const rest = (began[1] ?? 0) - (began[0] ?? 0);
    expect(rest).toBeGreaterThan(355);
    // A tenth more would be 440; a timer may be late.
    expect(rest).toBeLessThan(435);
  });

  it('goes on after a failure, logs it once each, and counts as alive', async () => {
    const { stop, edges, lines } = bed();
    let ticks = 0;
    const loop = startLoop(
      {
        ...timing,
        name: 'sync',
        tick: async () => {
          ticks += 1;
          if (ticks === 3) stop.abort();
          else throw new Error('no route');
        },
      },
      edges,
    );
    await loop.ended;
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({
      loop: 'sync',
      failures: 2,
      level: 'error',
      priority: 3,
    });
    expect(loop.isAlive()).toBe(true);
  });

  it('is not alive once a tick runs past its deadline', async () => {
    const { stop, edges, clock } = bed();
    let release = () => {};
    const stuck = new Promise<void>((resolve) => {
      release = resolve;
    });
    const loop = startLoop({ ...timing, name: 'stuck', tick: () => stuck }, edges);
    clock.ms = 1000;
    expect(loop.isAlive()).toBe(true);
    clock.ms = 1001;
    expect(loop.isAlive()).toBe(false);
    stop.abort();
    release();
    await loop.ended;
  });

  it('gives a tick its whole deadline, however long the rest before it was', async () => {
    const { stop, edges, clock } = bed();
    let release = () => {};
    let ticks = 0;
    const tick = async () => {
      ticks += 1;
      if (ticks === 2) await new Promise<void>((resolve) => (release = resolve));
    };
    const options = { name: 'rare', periodMs: () => 60_000, maxBackoffMs: 60_000, deadlineMs: 500, tick };
    const loop = startLoop(options, edges);
    await sleep(5);
    clock.ms = 60_000;
    loop.wake();
    await sleep(5);
    expect(ticks).toBe(2);
    clock.ms = 60_500;
    expect(loop.isAlive()).toBe(true);
    clock.ms = 60_501;
    expect(loop.isAlive()).toBe(false);
    stop.abort();
    release();
    await loop.ended;
  });

  it('ends its rest at once when woken', async () => {
    const { stop, edges } = bed();
    let ticks = 0;
    const tick = async () => {
      ticks += 1;
    };
    const loop = startLoop(
      { name: 'slow', periodMs: () => 60_000, maxBackoffMs: 60_000, deadlineMs: 1, tick },
      edges,
    );
    await sleep(5);
    expect(ticks).toBe(1);
    loop.wake();
    await sleep(5);
    expect(ticks).toBe(2);
    stop.abort();
    await loop.ended;
  });
});

describe('restAfter', () => {
  it('doubles with each failure up to the ceiling, and never rests less than the period', () => {
    const options = { periodMs: () => 10, maxBackoffMs: 60 };
    expect([0, 1, 2, 3, 4, 9].map((failures) => restAfter(options, failures, 0))).toEqual([
      10, 10, 20, 40, 60, 60,
    ]);
    expect(restAfter({ periodMs: () => 100, maxBackoffMs: 60 }, 5, 0)).toBe(100);
    let most = 60;
    const varying = { periodMs: () => 10, maxBackoffMs: () => most };
    expect(restAfter(varying, 9, 0)).toBe(60);
    most = 0;
    expect(restAfter(varying, 9, 0)).toBe(10);
  });

  it('leaves a tick that took long less of a rest where the period counts from its start, yet half of it', () => {
    const options = { periodMs: () => 1_000, maxBackoffMs: 4_000, fromStart: true };
    expect([0, 300, 700, 90_000].map((tookMs) => restAfter(options, 0, tookMs))).toEqual([
      1_000, 700, 500, 500,
    ]);
    // Of passes that fail in part the next comes as soon; of those that fail wholly, ever later.
    expect(restAfter({ ...options, maxBackoffMs: 0 }, 3, 300)).toBe(700);
    expect(restAfter(options, 3, 300)).toBe(4_000);
  });
});
