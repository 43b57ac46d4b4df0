import { describe, expect, it } from 'vitest';
import type { Fault } from '../../../agent/mount/health.ts';
import type { Sight } from '../../../agent/mount/identity.ts';
import {
  afterRung,
  mountPatience,
  NO_ATTEMPT,
  nextRung,
  RUNG_DEADLINE_MS,
  type Rung,
  restAfterFailure,
} from '../../../agent/mount/remedy.ts';

const ours = (mountId = 91): Sight => ({
  kind: 'ours',
  mountId,
  depth: 1,
  readOnly: false,
  port: 20123,
  proxyPid: 4711,
  proof: '0:45 / nfs4 20123',
});
const foreign: Sight = { kind: 'foreign', mountId: 92, depth: 2, detail: 'tmpfs' };
const absent: Sight = { kind: 'absent' };

/** The steps taken while each leaves the mount as `sightAfter` says. */
function climb(fault: Fault, sightAfter: (taken: readonly Rung[]) => Sight, proxyCanRestart = false): Rung[] {
  const taken: Rung[] = [];
  let attempt = NO_ATTEMPT;
  for (;;) {
    const sight = sightAfter(taken);
    const rung = nextRung({
      fault: sight.kind === 'absent' ? 'absent' : fault,
      sight,
      attempt,
      proxyCanRestart,
    });
    if (rung === undefined || taken.length > 20) return taken;
    taken.push(rung);
    attempt = afterRung(attempt, rung, sight);
  }
}

describe('nextRung', () => {
  it('mounts what is absent, once an attempt, after partners are refused', () => {
    expect(climb('absent', () => absent)).toEqual(['stop-serving', 'mount']);
  });

  it('lets the proxy be restarted first, and only where something restarts it', () => {
    expect(climb('hung', () => ours(), true)[0]).toBe('restart-proxy');
    expect(climb('hung', () => ours(), false)[0]).toBe('stop-serving');
    expect(climb('stale', () => ours(), true)[0]).toBe('stop-serving');
  });

  it('ends sessions before any unmount, and holders before the lazy one', () => {
    for (const fault of ['hung', 'stale', 'read-only', 'denied'] as const) {
      const taken = climb(fault, () => ours());
      const order = (rung: Rung) => taken.indexOf(rung);
      expect(order('stop-serving')).toBe(0);
      expect(order('end-holders')).toBeGreaterThan(0);
      expect(order('unmount-lazy')).toBe(taken.length - 1);
      expect(order('end-holders')).toBeLessThan(order('unmount-lazy'));
    }
  });

  it('never tries a plain umount of a hung mount: it would hang too', () => {
    expect(climb('hung', () => ours())).not.toContain('unmount');
  });

  it('mounts as soon as the old one is gone', () => {
    const gone = (taken: readonly Rung[]) => (taken.includes('unmount-force') ? absent : ours());
    expect(climb('hung', gone)).toEqual(['stop-serving', 'unmount-force', 'mount']);
  });

  it('begins anew with the mildest step at a mount that lay below', () => {
    const stacked = (taken: readonly Rung[]) => (taken.includes('unmount') ? ours(90) : ours(91));
    expect(climb('stale', stacked).slice(0, 4)).toEqual([
      'stop-serving',
      'unmount',
      'unmount',
      'unmount-force',
    ]);
  });

  it('never forces a file system that is not ours', () => {
    expect(climb('wrong-file-system', () => foreign)).toEqual(['stop-serving', 'unmount']);
    expect(climb('hung', () => foreign)).toEqual(['stop-serving', 'unmount']);
  });

  it('rests when a fresh mount is no better', () => {
    const remounted = (taken: readonly Rung[]) => {
      if (taken.includes('mount')) return ours(95);
      return taken.includes('unmount') ? absent : ours();
    };
    expect(climb('denied', remounted)).toEqual(['stop-serving', 'unmount', 'mount']);
  });
});

describe('restAfterFailure', () => {
  it('doubles from a second up to the ceiling', () => {
    expect([1, 2, 3, 4, 10, 5000].map((failures) => restAfterFailure(failures, 15, 0))).toEqual([
      1000, 2000, 4000, 8000, 15_000, 15_000,
    ]);
  });

  it('strays by a fifth, so that hosts don’t come back in step, and never over the ceiling', () => {
    expect(restAfterFailure(1, 15, 1)).toBeCloseTo(800);
    expect(restAfterFailure(50, 15, 0.5)).toBeCloseTo(13_500);
  });
});

describe('mountPatience', () => {
  it('ends a third try of the helper’s that hangs, and still leaves one attempt in ten all its time', () => {
    const patience = Array.from({ length: 10 }, (_, failures) => mountPatience(failures));
    expect(patience.slice(0, 9).every((ms) => ms > 45_000 && ms < 60_000)).toBe(true);
    expect(patience[9]).toBe(RUNG_DEADLINE_MS.mount);
  });
});
