import { createHash } from 'node:crypto';

/** An account that would lose its login. */
export interface Removal {
  readonly user: string;
  readonly uid: number;
  readonly why: 'absent' | 'disabled' | 'expired' | 'last key gone';
}

export interface HeldPlan {
  /** Names exactly this set of removals; what `sync --approve` takes. */
  readonly hash: string;
  /** One line each: user and why. */
  readonly removals: readonly string[];
}

export interface GuardLimits {
  readonly maxRemovals: number;
  readonly maxRemovalsPercent: number;
}

/** An account that lost its login without anybody's approval. */
export interface PastRemoval {
  readonly user: string;
  /** ms since 1970 */
  readonly at: number;
}

/** What was decided about removals before. */
export interface GuardMemory {
  /** Hash of the plan that an operator approved. */
  readonly approved: string | null;
  /** Users that are held: each stays so until it is approved or wanted again, however small the rest makes it look. */
  readonly held: readonly string[];
  /** What went ahead lately: a list that shrinks a little at each poll is one accident, not many small ones. */
  readonly recent: readonly PastRemoval[];
}

export interface Verdict {
  /** The plan to hold; null: nobody is held. */
  readonly held: HeldPlan | null;
  readonly spared: ReadonlySet<string>;
  /** Whether the operator's approval let removals through. */
  readonly approved: boolean;
}

/** Removals count together for this long. */
const WINDOW_MS = 24 * 3_600_000;

/**
 * Decides whether removals may go ahead. Together with those of the last 24 hours, they may be at most max(count,
 * percentage of the accounts there were), and somebody has to remain; else all of them are held. Those that were held
 * before are held in any case.
 * @param before how many accounts can log in now
 * @param recent how many went in the last 24 hours without approval, and are still gone
 */
export function judgeRemovals(
  removals: readonly Removal[],
  { before, recent }: { readonly before: number; readonly recent: number },
  { maxRemovals, maxRemovalsPercent }: GuardLimits,
  memory: Pick<GuardMemory, 'approved' | 'held'>,
): Verdict {
  const allowed = Math.max(maxRemovals, Math.floor(((before + recent) * maxRemovalsPercent) / 100));
  const isSmall = removals.length + recent <= allowed && removals.length < before;
  const known = new Set(memory.held);
  const kept = isSmall ? removals.filter(({ user }) => known.has(user)) : removals;
  if (kept.length === 0) return { held: null, spared: new Set(), approved: false };
  const lines = kept.map(({ user, uid, why }) => `${user} (uid ${uid}): ${why}`).sort();
  const hash = createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 12);
  if (memory.approved === hash) return { held: null, spared: new Set(), approved: true };
  return { held: { hash, removals: lines }, spared: new Set(kept.map(({ user }) => user)), approved: false };
}

/** The removals that still count at this time (ms since 1970); a clock that was ahead is taken for right now. */
export function recentRemovals(recent: readonly PastRemoval[], now: number): PastRemoval[] {
  return recent
    .filter(({ at }) => now - at < WINDOW_MS)
    .map(({ user, at }) => ({ user, at: Math.min(at, now) }));
}
