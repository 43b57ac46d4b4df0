/** What the agent believes about the mount. */
export type Health =
  | 'healthy'
  | 'suspect'
  | 'hung'
  | 'stale'
  | 'read-only'
  | 'denied'
  | 'absent'
  | 'wrong-file-system'
  | 'recovering'
  | 'failed'
  | 'maintenance';

/** What is wrong with a mount. */
export type Fault = 'hung' | 'stale' | 'read-only' | 'denied' | 'absent' | 'wrong-file-system';

/** One observation of the mount: proven good, or one fault of it. */
export interface Finding {
  readonly fault: Fault | 'none';
  /** What was seen, in one sentence. */
  readonly detail: string;
}

/** So many findings of the same fault in a row make a verdict; one may be a slow moment. */
const ALIKE_FOR_A_VERDICT = 2;
/** So many of any faults in a row do: a server that flaps times out and fails in turn, and never twice alike. */
const MIXED_FOR_A_VERDICT = 3;

/** The machine's whole memory. */
export interface Belief {
  /** `none`: proven; a fault: the verdict; `unknown`: not looked at long enough. */
  readonly verdict: Fault | 'none' | 'unknown';
  /** The last finding that was not good. */
  readonly finding: Finding | undefined;
  /** How often in a row it was found. */
  readonly count: number;
  /** How many findings in a row were not good, of whatever fault. */
  readonly bad: number;
}

/** Before the first look, and after anything that makes earlier findings worthless. */
export const NO_BELIEF: Belief = { verdict: 'unknown', finding: undefined, count: 0, bad: 0 };

/**
 * Takes one observation in. One good finding is proof, since it is a probe's answer; a fault needs several in a row,
 * and until then the earlier verdict stands.
 */
export function observe(belief: Belief, finding: Finding): Belief {
  if (finding.fault === 'none') return { ...NO_BELIEF, verdict: 'none' };
  const count = belief.finding?.fault === finding.fault ? belief.count + 1 : 1;
  const bad = belief.bad + 1;
  // Once there is a verdict, only a certain one replaces it: the steps against it are different ones.
  const isCertain =
    count >= ALIKE_FOR_A_VERDICT || (faultOf(belief) === undefined && bad >= MIXED_FOR_A_VERDICT);
  return { verdict: isCertain ? finding.fault : belief.verdict, finding, count, bad };
}

/** Whether something spoke against the mount lately that is no verdict yet. */
export function isSuspect({ verdict, count }: Belief): boolean {
  return count > 0 && (verdict === 'none' || verdict === 'unknown');
}

/** The fault that the agent is sure of, if any. */
export function faultOf({ verdict }: Belief): Fault | undefined {
  return verdict === 'none' || verdict === 'unknown' ? undefined : verdict;
}
