import { GECOS, HOME, MARKER_GROUP, SHELL } from '../os/account-marks.ts';
import type { ActualAccount } from './actual.ts';
import { renderAuthorizedKeys } from './authorized-keys.ts';
import { type KeyFile, keyFileDigest } from './key-file.ts';
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
  const stranger = strangerFault(entry, account, view);
  if (stranger !== undefined) {
    const steps = file ? shut(entry, stranger.problem) : endSessions(entry);
    const problems = isOpen ? [{ user, secret: entry.secret, ...stranger }] : [];
    return { steps, problems, waits: false, active: false };
  }

  const steps: Step[] = [];
  const isComplete = account !== undefined && view.actual.groups.get(user) === uid;
  if (isOpen && !isComplete) steps.push({ do: 'create-account', user, uid });
  const drift = account ? driftOf(account, uid) : [];
  // Of a closed account too: without a key it is no door, and whatever it was given is not to wait for its return.
  if (isComplete && drift.length > 0) {
    const home = drift.includes('home');
    steps.push({ do: 'repair-account', user, uid, home, why: `${drift.join(', ')} had been changed` });
  }
  const hasPassword = account?.password === (isOpen ? 'keys-only' : 'locked');
  if (account && !hasPassword) {
    const why = isOpen ? 'opened for keys' : 'locked';
    steps.push({ do: 'set-password', user, locked: !isOpen, why });
  }

  const isRight = isOpen ? isRightFile(file, keyFileDigest(partner, view.now), uid) : file === undefined;
  const isReady = isComplete && hasPassword && drift.length === 0 && entry.chroot;
  // A new login opens last, when all else is ready; a file that is there is corrected whatever else is amiss.
  if (!isRight && !isOpen) steps.push({ do: 'remove-keys', user, why: 'no key is live' });
  else if (!isRight && (file || isReady)) {
    const why = file ? 'content, owner or mode was not as it should be' : 'the account is ready';
    const content = renderAuthorizedKeys(partner, view.now);
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

type Stranger = Pick<Problem, 'problem' | 'hint'>;

/**
 * Why the account of this name is not the one that the ledger knows, or can't be made; undefined: all is well. Another
 * uid or gid is not put back (docs/decisions/0008).
 */
function strangerFault(
  { name, uid }: LedgerUser,
  account: ActualAccount | undefined,
  { actual }: View,
): Stranger | undefined {
  const hint = 'the agent leaves the account alone; remove what is in the way';
  if (account && account.uid !== uid) {
    const problem = `has uid ${account.uid} on this host instead of ${uid}: its login is shut`;
    const way = `put ${uid} back with vipw(8), not with usermod -u, which changes owners of files`;
    return { problem, hint: way };
  }
  if (account && !isMarked(name, account, actual)) {
    const way = `if it is the partner’s, give it its group back: usermod -a -G ${MARKER_GROUP} ${name}`;
    return { problem: 'has an account on this host without the agent’s marks', hint: way };
  }
  const owner = actual.uids.get(uid);
  if (!account && owner !== undefined)
    return { problem: `can’t have uid ${uid}: it belongs to ${owner} on this host`, hint };
  const gid = actual.groups.get(name);
  if (gid !== undefined && gid !== uid) {
    const problem = `can’t have its private group: a group of that name has gid ${gid}`;
    return { problem, hint: account ? `put ${uid} back with vigr(8), and in passwd with vipw(8)` : hint };
  }
  const group = actual.gids.get(uid);
  if (gid === undefined && group !== undefined)
    return { problem: `can’t have gid ${uid}: it belongs to group ${group}`, hint };
  return undefined;
}

/** Any of the marks will do, so that a slip of usermod is repaired: the group, the comment, or a private group and keys. */
function isMarked(name: string, { groups, gecos, gid, uid }: ActualAccount, actual: View['actual']): boolean {
  if (groups.includes(MARKER_GROUP) || gecos === GECOS) return true;
  return gid === uid && actual.groups.get(name) === uid && actual.keyFiles.get(name)?.uid === 0;
}

/**
 * Takes the file of keys for what is somebody else's account now: it would let partners in as that somebody. What is
 * open already goes with it; the ledger says so first, in case this is cut off in between.
 */
function shut(entry: LedgerUser, why: string): Step[] {
  const user = entry.name;
  const note: Step = { do: 'record', user, entry: { ...entry, ending: 'all' }, why };
  const remove: Step = { do: 'remove-keys', user, why };
  return entry.ending === 'all' ? [remove] : [note, remove];
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

function isRightFile(file: KeyFile | undefined, digest: string, gid: number): boolean {
  return file?.digest === digest && file.uid === 0 && file.gid === gid && file.mode === KEY_FILE_MODE;
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
