import type { Fault } from './health.ts';
import type { Sight } from './identity.ts';

/** The steps that bring a mount back, mildest first. */
export type Rung =
  | 'restart-proxy'
  | 'stop-serving'
  | 'unmount'
  | 'unmount-force'
  | 'end-holders'
  | 'unmount-force-again'
  | 'unmount-lazy'
  | 'mount';

/**
 * Longest that each step may take, in ms. `mount` may take minutes by itself (the helper tries three times, 15 s each
 * and the last without bound), and `stop-serving` waits twice for the sshd's TimeoutStopSec of 3 s.
 */
export const RUNG_DEADLINE_MS: Readonly<Record<Rung, number>> = {
  'restart-proxy': 6_000,
  'stop-serving': 10_000,
  unmount: 5_000,
  'unmount-force': 5_000,
  'end-holders': 5_000,
  'unmount-force-again': 5_000,
  'unmount-lazy': 5_000,
  mount: 310_000,
};

/**
 * How to take away what is mounted, by what is wrong with it. A plain umount of a hung mount hangs too, so force comes
 * first there; lazy is last, since whoever still holds a file of a detached dead mount hangs without an end. A file
 * system that isn't ours is never forced.
 */
const UNMOUNTING: Readonly<Record<Exclude<Fault, 'absent'>, readonly Rung[]>> = {
  hung: ['unmount-force', 'end-holders', 'unmount-force-again', 'unmount-lazy'],
  stale: ['unmount', 'unmount-force', 'end-holders', 'unmount-force-again', 'unmount-lazy'],
  'read-only': ['unmount', 'end-holders', 'unmount-force', 'unmount-lazy'],
  denied: ['unmount', 'end-holders', 'unmount-force', 'unmount-lazy'],
  'wrong-file-system': ['unmount'],
};

/** How far one attempt has come. */
export interface Attempt {
  /** Steps taken on this attempt that are for the whole of it. */
  readonly done: ReadonlySet<Rung>;
  /** Steps taken on the mount that is visible now; another one (they can be stacked) starts anew. */
  readonly onMount: { readonly mountId: number; readonly done: ReadonlySet<Rung> } | undefined;
}

export const NO_ATTEMPT: Attempt = { done: new Set(), onMount: undefined };

export interface Situation {
  readonly fault: Fault;
  readonly sight: Sight;
  readonly attempt: Attempt;
  /** The tunnel's process lives, and the helper's watchdog runs, which starts a new one. */
  readonly proxyCanRestart: boolean;
}

/** The next step, or undefined when this attempt has none left: then it rests, and a new attempt begins. */
export function nextRung({ fault, sight, attempt, proxyCanRestart }: Situation): Rung | undefined {
  if (sight.kind === 'absent') {
    return ['stop-serving' as const, 'mount' as const].find((rung) => !attempt.done.has(rung));
  }
  if (fault === 'hung' && proxyCanRestart && !attempt.done.has('restart-proxy')) return 'restart-proxy';
  if (!attempt.done.has('stop-serving')) return 'stop-serving';
  // Mounted on this attempt and still no good: another round at once would not mend it.
  if (attempt.done.has('mount')) return undefined;
  const { onMount } = attempt;
  const tried = onMount?.mountId === sight.mountId ? onMount.done : new Set<Rung>();
  const kind = sight.kind === 'foreign' || fault === 'absent' ? 'wrong-file-system' : fault;
  return UNMOUNTING[kind].find((rung) => !tried.has(rung));
}

/** The attempt after a step. */
export function afterRung(attempt: Attempt, rung: Rung, sight: Sight): Attempt {
  const done = new Set([...attempt.done, rung]);
  if (sight.kind === 'absent') return { done, onMount: undefined };
  const earlier = attempt.onMount?.mountId === sight.mountId ? attempt.onMount.done : [];
  return { done, onMount: { mountId: sight.mountId, done: new Set([...earlier, rung]) } };
}

/** The first rest, in ms; each failure in a row doubles it. */
const FIRST_REST_MS = 1_000;
/** Up to so much less, so that many hosts don't come back to the file system in step; never more than the ceiling. */
const JITTER = 0.2;

/** The time in ms from the begin of one attempt to the next, after so many failures in a row (from 1). */
export function restAfterFailure(failures: number, maxSeconds: number, random: number): number {
  const rest = Math.min(maxSeconds * 1000, FIRST_REST_MS * 2 ** Math.min(failures - 1, 30));
  return rest * (1 - JITTER * random);
}

/**
 * A healthy mount takes a second or two. The helper's own three tries take 15 s, 15 s, and the last without bound, in
 * which the kernel waits longer and longer between two connections: after a third 15 s a new attempt is sooner there.
 */
const MOUNT_PATIENCE_MS = 46_000;
/** This one is left all the time that the rung has: what stalls the helper for minutes must not keep it out for good. */
const PATIENT_ATTEMPT = 10;

/** How long in ms an attempt to mount may take, by how many failed before it. */
export function mountPatience(failures: number): number {
  return failures % PATIENT_ATTEMPT === PATIENT_ATTEMPT - 1 ? RUNG_DEADLINE_MS.mount : MOUNT_PATIENCE_MS;
}
