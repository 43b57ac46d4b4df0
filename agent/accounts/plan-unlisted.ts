import { GECOS, MARKER_GROUP } from '../os/account-marks.ts';
import type { Actual } from './actual.ts';
import type { Removal } from './guard.ts';
import type { KeyFile } from './key-file.ts';
import { type LedgerUser, NOTHING_ENDING } from './ledger-user.ts';
import { liveKeys, type Partner, type Problem } from './partner.ts';
import type { PlanInput } from './plan.ts';
import { recordStep } from './plan-record.ts';
import type { Step } from './step.ts';

/** Accounts and key files that the agent made and its ledger does not have: it was lost, damaged or not written. */
export interface Unlisted {
  readonly users: ReadonlySet<string>;
  /** Those with a key file. */
  readonly open: ReadonlySet<string>;
  /** Enter them into the ledger, or remove a file of keys that belongs to no account. */
  readonly steps: readonly Step[];
  /** Those of the steps that shut an account. */
  readonly removals: readonly Removal[];
  readonly problems: readonly Problem[];
}

type View = Pick<PlanInput, 'desired' | 'ledger' | 'actual' | 'now' | 'limits' | 'reading'>;

/**
 * Takes over what the ledger should have. A user that a secret names gets that secret's keys; one that no secret names
 * is removed when every secret was read whole, and reported until then. Its key file says which sessions may be open.
 */
export function planUnlisted(view: View): Unlisted {
  const { desired, actual, ledger, now } = view;
  const uidsTaken = new Set([...ledger.values()].map(({ uid }) => uid));
  const users = new Set<string>();
  const open = new Set<string>();
  const steps: Step[] = [];
  const removals: Removal[] = [];
  const problems: Problem[] = [];
  for (const [user, { uid }] of actual.accounts) {
    if (ledger.has(user) || uidsTaken.has(uid) || !isOurs(user, view)) continue;
    users.add(user);
    const file = actual.keyFiles.get(user);
    if (file) open.add(user);
    const partner = desired.users.get(user);
    const isKnown = partner !== undefined || (isComplete(view) && !desired.named.has(user));
    if (!isKnown) {
      const problem = 'is in no ledger, and not all secrets could be read: its key file stays as it is';
      const hint = 'mend the secrets that are reported; then it is taken over or removed';
      if (file) problems.push({ user, secret: null, problem, hint });
      continue;
    }
    if (file && (partner === undefined || liveKeys(partner, now).length === 0))
      removals.push({ user, uid, why: partner === undefined ? 'absent' : closedBy(partner, now) });
    const step = recordStep(foundEntry(user, uid, file), partner ?? null, now, 'no secret names it');
    if (step) steps.push({ ...step, why: `${step.why}; its entry in the ledger was lost` });
  }
  for (const user of actual.keyFiles.keys()) {
    // No user’s name begins with a dot: such a file lets nobody in, and is somebody else’s affair.
    if (ledger.has(user) || users.has(user) || user.startsWith('.')) continue;
    if (actual.accounts.get(user)?.groups.includes(MARKER_GROUP)) {
      // As after another range of uids was configured: nobody is shut out by a slip, nor left in unseen.
      const problem =
        'is in no ledger, and its uid is not one that the agent gives: its key file stays as it is';
      problems.push({ user, secret: null, problem, hint: 'see users.uid_min and users.uid_max' });
      continue;
    }
    steps.push({ do: 'remove-keys', user, why: 'it belongs to no account of the agent’s' });
  }
  return { users, open, steps, removals, problems };
}

/** Why a partner can't log in at this time. */
export function closedBy(partner: Partner, now: number): Removal['why'] {
  if (!partner.enabled) return 'disabled';
  const isLive = partner.expires === null || partner.expires > now;
  return isLive && partner.keys.length === 0 ? 'last key gone' : 'expired';
}

function isComplete({ desired, reading }: View): boolean {
  return reading.complete && desired.complete;
}

/** Both marks, or one of them and a key file; and a uid that the agent gives, which is nobody else's. */
function isOurs(user: string, { actual, limits }: Pick<View, 'limits'> & { actual: Actual }): boolean {
  const account = actual.accounts.get(user);
  if (!account || account.uid < limits.uidMin || account.uid > limits.uidMax) return false;
  if (actual.uids.get(account.uid) !== user) return false;
  const marks = [account.groups.includes(MARKER_GROUP), account.gecos === GECOS, actual.keyFiles.has(user)];
  return marks.filter(Boolean).length >= 2;
}

/** What the ledger would have had, as far as the host shows it. */
function foundEntry(name: string, uid: number, file: KeyFile | undefined): LedgerUser {
  const none = { uid: null, enabled: false, expires: null, networks: null, directories: null, keys: [] };
  return {
    name,
    uid,
    secret: '',
    partner: { name, secret: '', ...none },
    removed: false,
    live: file?.fingerprints ?? [],
    ending: NOTHING_ENDING,
    chroot: false,
  };
}
