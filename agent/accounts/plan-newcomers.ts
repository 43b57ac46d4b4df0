import { GECOS, MARKER_GROUP } from '../os/account-marks.ts';
import { isAdmitted, liveKeys, type Partner, type Problem } from './partner.ts';
import type { PlanInput } from './plan.ts';
import type { Step } from './step.ts';

interface Newcomers {
  readonly steps: readonly Step[];
  readonly problems: readonly Problem[];
  readonly waiting: readonly string[];
}

/** Users that no account exists for yet: validated against the host, then claimed on the mount. */
export function planNewcomers({ desired, ledger, actual, now, mountServing, limits }: PlanInput): Newcomers {
  const steps: Step[] = [];
  const problems: Problem[] = [];
  const waiting: string[] = [];
  const newcomers = [...desired.users.values()].filter(
    (partner) => !ledger.has(partner.name) && isAdmitted(partner) && liveKeys(partner, now).length > 0,
  );
  const uidOwners = new Map([...ledger.values()].map(({ uid, name }) => [uid, name]));
  const asked = countBy(newcomers.flatMap(({ uid }) => uid ?? []));
  for (const partner of newcomers) {
    const { name: user, secret, uid } = partner;
    const left = leftover(partner, { actual, limits });
    const fault =
      (left === undefined ? nameFaultOf(partner, actual) : undefined) ??
      (uid === null ? undefined : uidFaultOf(uid, user, { actual, limits, uidOwners, asked }));
    if (fault !== undefined) problems.push({ user, secret, ...fault });
    else if (!mountServing) waiting.push(user);
    else {
      const directories = partner.directories ?? limits.directories;
      steps.push({ do: 'prepare-mount', user, uid: uid ?? left ?? null, directories, newcomer: partner });
    }
  }
  return { steps, problems, waiting };
}

interface Fault {
  readonly problem: string;
  readonly hint: string;
}

/** The uid of an account that the agent made, whose entry in the ledger was lost; both marks have to be there. */
function leftover(
  { name, uid }: Partner,
  { actual, limits }: Pick<PlanInput, 'actual' | 'limits'>,
): number | undefined {
  const account = actual.accounts.get(name);
  if (!account?.groups.includes(MARKER_GROUP) || account.gecos !== GECOS) return undefined;
  const isOurs = account.uid >= limits.uidMin && account.uid <= limits.uidMax;
  return isOurs && (uid === null || uid === account.uid) ? account.uid : undefined;
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
