import type { ApplyContext, StepFailure } from './apply.ts';
import { NOTHING_ENDING } from './ledger-user.ts';
import { prepareOnMount } from './mount-child.ts';
import type { MountResult, MountUser } from './mount-request.ts';
import { liveKeys } from './partner.ts';
import type { StepOf } from './step.ts';
import { otherName, readTakenUids, takenUidsOf } from './taken-uids.ts';

type PrepareMount = StepOf<'prepare-mount'>;

/** Has users' places on the mount made, and enters the newcomers into the ledger with the uid that they got. */
export async function prepareMount(
  steps: readonly PrepareMount[],
  context: ApplyContext,
): Promise<StepFailure[]> {
  const byUser = new Map(steps.map((step) => [step.user, step]));
  const { path, ...range } = context.mount;
  const hasNewcomers = steps.some(({ newcomer }) => newcomer !== null);
  const pairs = hasNewcomers ? await readTakenUids(context.paths, context.ledger.users, range) : [];
  const taken = takenUidsOf(pairs);
  const failures: StepFailure[] = [];
  const seen = new Set<string>();
  const enter = async (results: readonly MountResult[]) => {
    let hasChanged = false;
    for (const result of results) {
      const step = byUser.get(result.user);
      if (!step) continue;
      seen.add(result.user);
      const fault = 'problem' in result ? result : duplicateOf(result, taken);
      if (fault !== undefined) failures.push({ user: result.user, cause: fault });
      // Of a place that is in order under the wrong uid nothing is entered.
      if (fault === undefined || fault === result)
        hasChanged = enterResult(step, result, context) || hasChanged;
      if (fault === undefined && 'uid' in result)
        taken.set(result.uid, [...(taken.get(result.uid) ?? []), result.user]);
    }
    if (hasChanged) await context.saveLedger();
  };
  const isAudit = ({ user }: MountUser) => context.ledger.users.get(user)?.chroot === true;
  const users = steps.map(({ user, uid, directories, newcomer }) => ({
    user,
    uid: uid ?? context.ledger.users.get(user)?.uid ?? null,
    directories,
    newcomer: newcomer !== null,
  }));
  // Nobody waits for an audit: one child, after those for whom somebody does.
  const [audited, awaited] = [users.filter(isAudit), users.filter((user) => !isAudit(user))];
  await prepareOnMount(path, { ...range, taken: pairs, users: awaited }, context, enter);
  await prepareOnMount(path, { ...range, users: audited }, context, enter, 1);
  for (const step of steps) if (!seen.has(step.user)) context.postpone(step);
  return failures;
}

/** Why a user can't have the uid that was found for it; the claims lie where whoever writes to the bucket may change them. */
function duplicateOf(
  { user, uid }: { readonly user: string; readonly uid: number },
  taken: ReturnType<typeof takenUidsOf>,
): { readonly problem: string; readonly hint: string } | undefined {
  const other = otherName(user, uid, taken);
  if (other === undefined) return undefined;
  const hint = 'no account is made; see who has changed the claims below .s3files-sftp on the mount';
  return { problem: `can’t have uid ${uid}: it belongs to ${other}`, hint };
}

/** Notes in the ledger what the mount's child found. @returns whether the ledger changed */
function enterResult(
  { user, newcomer }: PrepareMount,
  result: MountResult,
  { ledger, log, now }: ApplyContext,
): boolean {
  const entry = ledger.users.get(user);
  const chroot = !('problem' in result);
  if (chroot) {
    for (const what of result.repaired)
      log.warn({ user, what }, `user ${user}: directories on the mount repaired`);
  }
  if (entry) {
    if (entry.chroot !== chroot) ledger.users.set(user, { ...entry, chroot });
    return entry.chroot !== chroot;
  }
  if (!chroot || newcomer === null) return false;
  const { uid } = result;
  const live = liveKeys(newcomer, now()).map(({ fingerprint }) => fingerprint);
  const { secret } = newcomer;
  const ending = NOTHING_ENDING;
  ledger.users.set(user, {
    name: user,
    uid,
    secret,
    partner: newcomer,
    removed: false,
    live,
    ending,
    chroot,
  });
  return true;
}
