import type { Actual } from './actual.ts';
import type { Desired } from './desired.ts';
import { type GuardLimits, type GuardMemory, type HeldPlan, judgeRemovals, type Removal } from './guard.ts';
import type { LedgerUser } from './ledger-user.ts';
import { isAdmitted, type Partner, type Problem } from './partner.ts';
import { planAccount } from './plan-account.ts';
import { planNewcomers } from './plan-newcomers.ts';
import { recordStep } from './plan-record.ts';
import type { Step } from './step.ts';

export interface PlanLimits extends GuardLimits {
  readonly uidMin: number;
  readonly uidMax: number;
  /** For users that name none. */
  readonly directories: readonly string[];
}

export interface PlanInput {
  readonly desired: Desired;
  readonly ledger: ReadonlyMap<string, LedgerUser>;
  readonly actual: Actual;
  /** ms since 1970 */
  readonly now: number;
  readonly mountServing: boolean;
  /** Users whose directories are to be looked after, though nothing says that they need it. */
  readonly audit: ReadonlySet<string>;
  readonly limits: PlanLimits;
  readonly guard: GuardMemory;
}

/** What to do next, as data. Applying it and planning again converges to a plan without steps. */
export interface Plan {
  readonly steps: readonly Step[];
  readonly held: HeldPlan | null;
  readonly problems: readonly Problem[];
  /** Users that wait for the mount; no fault of theirs. */
  readonly waiting: readonly string[];
  /** How many accounts can log in as things are. */
  readonly active: number;
}

/**
 * Compares what should be with what is. Names only accounts of the ledger, or names that nothing on the host has;
 * removes only users whose absence is proven, and holds removals beyond the guard's limits.
 */
export function planAccounts(input: PlanInput): Plan {
  const { desired, ledger, now } = input;
  const targets = new Map([...ledger.values()].map((entry) => [entry.name, targetOf(entry, desired)]));
  const removals = [...ledger.values()].flatMap((entry) => removalOf(entry, targets.get(entry.name)) ?? []);
  const before = [...ledger.values()].filter(
    ({ removed, partner }) => !removed && isAdmitted(partner),
  ).length;
  const held = judgeRemovals(removals, before, input.limits, input.guard) ?? null;
  const spared = new Set(held ? removals.map(({ user }) => user) : []);

  const steps: Step[] = [];
  const problems: Problem[] = [...desired.problems];
  const waiting: string[] = [];
  let active = 0;
  for (const entry of ledger.values()) {
    const target = spared.has(entry.name) ? entry.partner : targets.get(entry.name);
    const record = recordStep(entry, target ?? null, now, desired.absent.get(entry.name));
    if (record) {
      steps.push(record);
      continue;
    }
    const outcome = planAccount(entry, input);
    steps.push(...outcome.steps);
    problems.push(...outcome.problems);
    if (outcome.waits) waiting.push(entry.name);
    if (outcome.active) active += 1;
  }
  const newcomers = planNewcomers(input);
  steps.push(...newcomers.steps);
  problems.push(...newcomers.problems);
  waiting.push(...newcomers.waiting);
  return { steps, held, problems, waiting, active };
}

/** The partner that an account of the ledger should become; null: removed. */
function targetOf(entry: LedgerUser, { users, absent }: Desired): Partner | null {
  const wanted = users.get(entry.name);
  if (wanted) return wanted;
  return entry.removed || absent.has(entry.name) ? null : entry.partner;
}

function removalOf(entry: LedgerUser, target: Partner | null | undefined): Removal | undefined {
  if (entry.removed || !isAdmitted(entry.partner)) return undefined;
  const { name: user, uid } = entry;
  if (!target) return { user, uid, why: 'absent' };
  if (!target.enabled) return { user, uid, why: 'disabled' };
  return target.keys.length === 0 ? { user, uid, why: 'last key gone' } : undefined;
}
