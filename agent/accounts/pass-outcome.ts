import { messageOf, OperationError } from '../operation-error.ts';
import type { StepFailure } from './apply.ts';
import type { Problem } from './partner.ts';
import type { Plan } from './plan.ts';
import { stepKey } from './step.ts';

export interface PassOutcome {
  /** What was left to do at the end. */
  readonly plan: Plan;
  readonly problems: readonly Problem[];
  /** Users for whom the time did not suffice, and whose turn comes in the next pass. */
  readonly preparing: number;
  /** Whether any step took: then another pass is worth its while at once. */
  readonly gotOn: boolean;
  /** When the last plan was made, in ms since 1970: what expired after that is still to be seen to. */
  readonly plannedAt: number;
  /** Why the pass as a whole failed, if it did. */
  readonly failure: OperationError | null;
}

/** Steps by their keys. */
interface Tried {
  readonly attempted: ReadonlySet<string>;
  readonly postponed: ReadonlySet<string>;
}

/** Sorts what a pass left: for whom somebody has to do something, and who only needs another pass. */
export function concludePass(
  plan: Plan,
  failures: readonly StepFailure[],
  { attempted, postponed }: Tried,
): Omit<PassOutcome, 'plannedAt'> {
  const named = new Set(failures.map(({ user }) => user));
  const whole = failures.find(({ user }) => user === null)?.cause;
  const left = plan.steps.filter((step) => attempted.has(stepKey(step)) && !named.has(step.user));
  const stubborn = left.filter((step) => !postponed.has(stepKey(step)));
  // Where a whole kind of steps failed, that one failure stands for its users.
  const ineffective: Problem[] = (whole === undefined ? stubborn : []).map((step) => ({
    user: step.user,
    secret: null,
    problem: `${step.do} had no effect`,
    hint: 'it is tried again at the next sync',
  }));
  const failed = failures.flatMap(({ user, cause }) => (user === null ? [] : [problemOf(user, cause)]));
  const failure = whole === undefined ? null : asError(whole);
  const preparing = whole === undefined ? left.length - stubborn.length : 0;
  const remaining = new Set(plan.steps.map(stepKey));
  const gotOn = [...attempted].some((key) => !remaining.has(key));
  return { plan, problems: [...plan.problems, ...failed, ...ineffective], preparing, gotOn, failure };
}

function problemOf(user: string, cause: unknown): Problem {
  const hint = hintOf(cause) ?? 'it is tried again at the next sync';
  // A result of the child on the mount carries its own words.
  const isResult = typeof cause === 'object' && cause !== null && 'problem' in cause;
  return { user, secret: null, problem: isResult ? String(cause.problem) : messageOf(cause), hint };
}

function hintOf(cause: unknown): string | undefined {
  if (typeof cause !== 'object' || cause === null || !('hint' in cause)) return undefined;
  return typeof cause.hint === 'string' ? cause.hint : undefined;
}

function asError(cause: unknown): OperationError {
  return cause instanceof OperationError
    ? cause
    : new OperationError({ op: 'apply', target: 'accounts' }, cause);
}
