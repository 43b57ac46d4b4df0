import { GECOS, HOME, MARKER_GROUP, SHELL } from '../os/account-marks.ts';
import type { ActualAccount, KeyFile } from './actual.ts';
import { renderAuthorizedKeys } from './authorized-keys.ts';
import type { LedgerUser } from './ledger-user.ts';
import type { Problem } from './partner.ts';
import type { PlanInput } from './plan.ts';
import type { Step } from './step.ts';

/** Readable by the user's private group, which sshd takes on to read it; writable by root alone. */
export const KEY_FILE_MODE = 0o640;

export interface AccountOutcome {
  readonly steps: readonly Step[];
  readonly problems: readonly Problem[];
  readonly waits: boolean;
  readonly active: boolean;
}

type View = Pick<PlanInput, 'actual' | 'now' | 'mountServing' | 'audit' | 'limits' | 'desired'>;

/** Brings one account of the ledger to its last good state: what of it is missing or was changed by someone else. */
export function planAccount(entry: LedgerUser, view: View): AccountOutcome {
  const { name: user, uid, partner } = entry;
  const account = view.actual.accounts.get(user);
  const file = view.actual.keyFiles.get(user);
  const isOpen = entry.live.length > 0;
  const content = isOpen ? renderAuthorizedKeys(partner, view.now) : '';
  const stranger = strangerFault(entry, account, view);
  if (stranger !== undefined) {
    // A file of keys for somebody else's account would let partners in as that somebody.
    const steps: Step[] = file ? [{ do: 'remove-keys', user, why: stranger }] : endSessions(entry);
    const hint = 'the agent leaves the account alone; remove what is in the way';
    const problems = isOpen ? [{ user, secret: entry.secret, problem: stranger, hint }] : [];
    return { steps, problems, waits: false, active: false };
  }

  const steps: Step[] = [];
  const isComplete = account !== undefined && view.actual.groups.get(user) === uid;
  if (isOpen && !isComplete) steps.push({ do: 'create-account', user, uid });
  const drift = account ? driftOf(account, uid) : [];
  if (isOpen && isComplete && drift.length > 0) {
    const home = drift.includes('home');
    steps.push({ do: 'repair-account', user, uid, home, why: `${drift.join(', ')} had been changed` });
  }
  const hasPassword = account?.password === (isOpen ? 'keys-only' : 'locked');
  if (account && !hasPassword) {
    const why = isOpen ? 'opened for keys' : 'locked';
    steps.push({ do: 'set-password', user, locked: !isOpen, why });
  }

  const isRight = isOpen ? isRightFile(file, content, uid) : file === undefined;
  const isReady = isComplete && hasPassword && drift.length === 0 && entry.chroot;
  // A new login opens last, when all else is ready; a file that is there is corrected whatever else is amiss.
  if (!isRight && !isOpen) steps.push({ do: 'remove-keys', user, why: 'no key is live' });
  else if (!isRight && (file || isReady)) {
    const why = file ? 'content, owner or mode was not as it should be' : 'the account is ready';
    steps.push({ do: 'write-keys', user, gid: uid, content, opens: !file, why });
  }
  if (isRight || file === undefined) steps.push(...endSessions(entry));

  const needsMount = isOpen && (!entry.chroot || view.audit.has(user));
  const directories = partner.directories ?? view.limits.directories;
  if (needsMount && view.mountServing)
    steps.push({ do: 'prepare-mount', user, uid, directories, newcomer: null });
  return {
    steps,
    problems: boundUidProblem(entry, view),
    waits: needsMount && !entry.chroot && !view.mountServing,
    active: isOpen && isRight && isComplete && hasPassword,
  };
}

/** Why the account of this name is not the one that the ledger knows, or can't be made; undefined: all is well. */
function strangerFault(
  { name, uid }: LedgerUser,
  account: ActualAccount | undefined,
  { actual }: View,
): string | undefined {
  if (account && account.uid !== uid) return `has uid ${account.uid} on this host instead of ${uid}`;
  // Either mark will do, so that a slip of usermod -G or -c can be repaired.
  if (account && !account.groups.includes(MARKER_GROUP) && account.gecos !== GECOS) {
    return 'has an account on this host without the agent’s marks';
  }
  const owner = actual.uids.get(uid);
  if (!account && owner !== undefined) return `can’t have uid ${uid}: it belongs to ${owner} on this host`;
  const gid = actual.groups.get(name);
  if (gid !== undefined && gid !== uid)
    return `can’t have its private group: a group of that name has gid ${gid}`;
  const group = actual.gids.get(uid);
  if (gid === undefined && group !== undefined) return `can’t have gid ${uid}: it belongs to group ${group}`;
  return undefined;
}

function driftOf(account: ActualAccount, uid: number): string[] {
  const checks: [string, boolean][] = [
    ['home', account.home === HOME],
    ['shell', account.shell === SHELL],
    ['comment', account.gecos === GECOS],
    ['group', account.gid === uid],
    ['groups', account.groups.length === 1 && account.groups[0] === MARKER_GROUP],
    ['expiry date', !account.hasExpiry],
  ];
  return checks.filter(([, isRight]) => !isRight).map(([what]) => what);
}

function isRightFile(file: KeyFile | undefined, content: string, gid: number): boolean {
  return file?.content === content && file.uid === 0 && file.gid === gid && file.mode === KEY_FILE_MODE;
}

function endSessions({ name: user, ending }: LedgerUser): Step[] {
  if (ending !== 'all' && ending.length === 0) return [];
  return [{ do: 'end-sessions', user, fingerprints: ending === 'all' ? null : ending }];
}

function boundUidProblem({ name, uid, secret }: LedgerUser, { desired }: View): Problem[] {
  const wanted = desired.users.get(name)?.uid ?? null;
  if (wanted === null || wanted === uid) return [];
  const problem = `is bound to uid ${uid} for ever; the secret asks for ${wanted}`;
  return [{ user: name, secret, problem, hint: `set "uid" to ${uid}, or leave it out` }];
}
