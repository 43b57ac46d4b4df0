import type { Actual } from './actual.ts';
import type { Desired } from './desired.ts';
import {
  type GuardLimits,
  type GuardMemory,
  type HeldPlan,
  judgeRemovals,
  type Removal,
  recentRemovals,
} from './guard.ts';
import type { LedgerUser } from './ledger-user.ts';
import { liveKeys, type Partner, type Problem } from './partner.ts';
import { planAccount } from './plan-account.ts';
import { planNewcomers } from './plan-newcomers.ts';
import { recordStep } from './plan-record.ts';
import { closedBy, planUnlisted, type Unlisted } from './plan-unlisted.ts';
import type { Step } from './step.ts';

export interface PlanLimits extends GuardLimits {
  readonly uidMin: number;
  readonly uidMax: number;
  /** For users that name none. */
  readonly directories: readonly string[];
}

export interface Reading {
  /** Nothing failed that had not failed before: who is absent can be told. Until then nobody is removed for it. */
  readonly whole: boolean;
  /** Every secret could be read. */
  readonly complete: boolean;
}

export interface PlanInput {
  readonly desired: Desired;
  /** How far what was read of the secrets can be relied on. */
  readonly reading: Reading;
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
  /** Users that the guard keeps in mind as held, in this plan or since an earlier one. */
  readonly holding: readonly string[];
  /** Users that lose their login by these steps. */
  readonly removing: readonly string[];
  /** Whether an operator's approval lets them go. */
  readonly approved: boolean;
  /** How many accounts of the agent's are in no ledger yet. */
  readonly unlisted: number;
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
  const unlisted = planUnlisted(input);
  const { spared, removing, ...guarded } = guardRemovals(input, targets, unlisted);

  const steps: Step[] = [];
  const problems: Problem[] = [...desired.problems, ...unlisted.problems];
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
  steps.push(...unlisted.steps.filter(({ user }) => !spared.has(user)));
  const leaving = new Set(removing);
  active += [...unlisted.open].filter((user) => !leaving.has(user)).length;
  const newcomers = planNewcomers(input, unlisted.users);
  steps.push(...newcomers.steps);
  problems.push(...newcomers.problems);
  waiting.push(...newcomers.waiting);
  return { steps, ...guarded, removing, unlisted: unlisted.users.size, problems, waiting, active };
}

interface Guarded extends Pick<Plan, 'held' | 'holding' | 'removing' | 'approved'> {
  /** Users that keep their login for now, though they would lose it. */
  readonly spared: ReadonlySet<string>;
}

/** Finds who would lose the login, and who of them may. */
function guardRemovals(
  { desired, ledger, now, reading, limits, guard }: PlanInput,
  targets: ReadonlyMap<string, Partner | null>,
  unlisted: Pick<Unlisted, 'open' | 'removals'>,
): Guarded {
  const removals = [...ledger.values()].flatMap(
    (entry) => removalOf(entry, targets.get(entry.name), now) ?? [],
  );
  removals.push(...unlisted.removals);
  const open = new Set(unlisted.open);
  for (const entry of ledger.values()) if (isOpen(entry, now)) open.add(entry.name);
  const recent = recentRemovals(guard.recent, now).filter(({ user }) => !open.has(user)).length;
  const { held, approved, ...verdict } = judgeRemovals(
    removals,
    { before: open.size, recent },
    limits,
    guard,
  );
  const spared = new Set(verdict.spared);
  // What an operator approved was proven before and is the very same now.
  if (!reading.whole && !approved)
    for (const { user, why } of removals) if (why === 'absent') spared.add(user);
  const affected = new Set(removals.map(({ user }) => user));
  const isUndecided = (user: string) => open.has(user) && !affected.has(user) && !desired.users.has(user);
  const holding = [...new Set([...verdict.spared, ...guard.held.filter(isUndecided)])].sort();
  const removing = [...affected].filter((user) => !spared.has(user));
  return { held, holding, approved, removing, spared };
}

/** The partner that an account of the ledger should become; null: removed. */
function targetOf(entry: LedgerUser, { users, absent }: Desired): Partner | null {
  const wanted = users.get(entry.name);
  if (wanted) return wanted;
  return entry.removed || absent.has(entry.name) ? null : entry.partner;
}

function isOpen({ removed, partner }: LedgerUser, now: number): boolean {
  return !removed && liveKeys(partner, now).length > 0;
}

/** Whoever can log in by the last good state and could not by the new one; that time has passed is no removal. */
function removalOf(entry: LedgerUser, target: Partner | null | undefined, now: number): Removal | undefined {
  if (!isOpen(entry, now)) return undefined;
  const { name: user, uid } = entry;
  if (!target) return { user, uid, why: 'absent' };
  return liveKeys(target, now).length === 0 ? { user, uid, why: closedBy(target, now) } : undefined;
}
