import { liveKeys, type Partner, type Problem } from './partner.ts';
import type { PlanInput } from './plan.ts';
import type { Step } from './step.ts';

interface Newcomers {
  readonly steps: readonly Step[];
  readonly problems: readonly Problem[];
  readonly waiting: readonly string[];
}

/**
 * Users that no account exists for yet: validated against the host, then claimed on the mount.
 * @param unlisted users that have an account of the agent's, though the ledger does not know it
 */
export function planNewcomers(
  { desired, ledger, actual, now, mountServing, limits }: PlanInput,
  unlisted: ReadonlySet<string>,
): Newcomers {
  const steps: Step[] = [];
  const problems: Problem[] = [];
  const waiting: string[] = [];
  const newcomers = [...desired.users.values()].filter(
    (partner) =>
      !ledger.has(partner.name) && !unlisted.has(partner.name) && liveKeys(partner, now).length > 0,
  );
  const uidOwners = new Map([...ledger.values()].map(({ uid, name }) => [uid, name]));
  const asked = countBy(newcomers.flatMap(({ uid }) => uid ?? []));
  for (const partner of newcomers) {
    const { name: user, secret, uid } = partner;
    const fault =
      nameFaultOf(partner, actual) ??
      (uid === null ? undefined : uidFaultOf(uid, user, { actual, limits, uidOwners, asked }));
    if (fault !== undefined) problems.push({ user, secret, ...fault });
    else if (!mountServing) waiting.push(user);
    else {
      const directories = partner.directories ?? limits.directories;
      steps.push({ do: 'prepare-mount', user, uid, directories, newcomer: partner });
    }
  }
  return { steps, problems, waiting };
}

interface Fault {
  readonly problem: string;
  readonly hint: string;
}

function nameFaultOf({ name }: Partner, actual: PlanInput['actual']): Fault | undefined {
  const hint = 'choose another name for the partner';
  if (actual.accounts.has(name))
    return { problem: 'the host has an account of that name, which is not the agent’s', hint };
  if (actual.groups.has(name))
    return { problem: 'the host has a group of that name, which is not the agent’s', hint };
  return undefined;
}

interface UidView extends Pick<PlanInput, 'actual' | 'limits'> {
  readonly uidOwners: ReadonlyMap<number, string>;
  readonly asked: ReadonlyMap<number, number>;
}

function uidFaultOf(
  uid: number,
  user: string,
  { actual, limits, uidOwners, asked }: UidView,
): Fault | undefined {
  const hint = 'choose another "uid", or leave it out';
  if (uid < limits.uidMin || uid > limits.uidMax) {
    return { problem: `uid ${uid} is outside of ${limits.uidMin}–${limits.uidMax}`, hint };
  }
  const owner = uidOwners.get(uid) ?? actual.uids.get(uid) ?? actual.gids.get(uid);
  if (owner !== undefined && owner !== user) return { problem: `uid ${uid} belongs to ${owner}`, hint };
  if ((asked.get(uid) ?? 0) > 1) return { problem: `uid ${uid} is asked for by several new users`, hint };
  return undefined;
}

function countBy(values: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
