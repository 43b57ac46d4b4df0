import { createHash } from 'node:crypto';

/** An account that would lose its login. */
export interface Removal {
  readonly user: string;
  readonly uid: number;
  readonly why: 'absent' | 'disabled' | 'last key gone';
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

/** What was decided about removals before, by hash. */
export interface GuardMemory {
  /** The plan that an operator approved. */
  readonly approved: string | null;
  /** The plan that was held last: it stays so, even where new accounts have made it a smaller part of all. */
  readonly held: string | null;
}

/**
 * Decides whether removals may go ahead: at most max(count, percentage of the accounts), and somebody has to remain.
 * @param before how many accounts can log in now
 * @returns undefined to go ahead, or the plan to hold
 */
export function judgeRemovals(
  removals: readonly Removal[],
  before: number,
  { maxRemovals, maxRemovalsPercent }: GuardLimits,
  { approved, held }: GuardMemory,
): HeldPlan | undefined {
  if (removals.length === 0) return undefined;
  const lines = removals.map(({ user, uid, why }) => `${user} (uid ${uid}): ${why}`).sort();
  const hash = createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 12);
  if (approved === hash) return undefined;
  const allowed = Math.max(maxRemovals, Math.floor((before * maxRemovalsPercent) / 100));
  const isSmall = removals.length <= allowed && removals.length < before;
  return isSmall && held !== hash ? undefined : { hash, removals: lines };
}
