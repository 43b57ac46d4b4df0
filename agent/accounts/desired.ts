import { quoteName } from './account-name.ts';
import { sooner } from './closing.ts';
import type { LedgerUser } from './ledger-user.ts';
import type { Partner, Problem } from './partner.ts';
import type { SecretDocument, SecretEntry } from './secret-document.ts';

export interface DesiredInput {
  /** The last document that was read of each secret, by the secret's name. */
  readonly documents: ReadonlyMap<string, SecretDocument>;
  /** Secrets that Secrets Manager itself says are deleted or scheduled for it. */
  readonly gone: ReadonlySet<string>;
  readonly ledger: ReadonlyMap<string, LedgerUser>;
  /** `users.prefix` of the configuration. */
  readonly prefix: string;
  /** ms since 1970 */
  readonly now: number;
}

export interface Desired {
  readonly users: ReadonlyMap<string, Partner>;
  /** Users of the ledger whose absence is proven, with the proof. Whoever is in neither map stays as it is. */
  readonly absent: ReadonlyMap<string, string>;
  /** All names that a secret has, whatever becomes of them. */
  readonly named: ReadonlySet<string>;
  /** Whether every secret that was read says all its users. */
  readonly complete: boolean;
  readonly problems: readonly Problem[];
}

/**
 * Folds all secrets into the users that should exist. A name that several secrets claim belongs to the secret that the
 * existing account came from; with no such account to nobody. Absence has to be proven by the user's own secret.
 */
export function resolveDesired({ documents, gone, ledger, prefix, now }: DesiredInput): Desired {
  const users = new Map<string, Partner>();
  const absent = new Map<string, string>();
  const problems: Problem[] = [];
  const claims = claimsOf(documents, problems);

  const isProven = ({ name, secret }: LedgerUser): string | undefined => {
    if (gone.has(secret)) return `secret ${secret} was deleted`;
    const document = documents.get(secret);
    if (document?.whole && !document.entries.some(({ user }) => user === name))
      return `no longer in ${secret}`;
    return undefined;
  };

  for (const [name, claimants] of claims) {
    const account = ledger.get(name);
    const own = account && claimants.find(({ secret }) => secret === account.secret);
    const others = claimants.filter((claimant) => claimant !== own);
    const [first] = claimants;
    const partner = partnerIn(own ?? first, account, now);
    if (own) {
      if (partner) users.set(name, partner);
      for (const { secret } of others)
        problems.push(conflict(name, secret, `belongs to ${own.secret} already`));
    } else if (claimants.length > 1) {
      const list = claimants.map(({ secret }) => secret).sort();
      problems.push(
        conflict(name, list[0] ?? null, `is claimed by ${list.join(' and ')}; neither is applied`),
      );
    } else if (first && partner) {
      // Prefix moved: nobody polls the old secret any more, so it has no say either.
      const hasMoved =
        !account || account.removed || isProven(account) !== undefined || !account.secret.startsWith(prefix);
      if (hasMoved) users.set(name, partner);
      else
        problems.push(
          conflict(name, first.secret, `still belongs to ${account.secret}, which can’t be read`),
        );
    }
  }
  for (const account of ledger.values()) {
    if (account.removed || claims.has(account.name)) continue;
    const proof = isProven(account);
    if (proof !== undefined) absent.set(account.name, proof);
    else if (!account.secret.startsWith(prefix)) problems.push(orphan(account));
  }
  const complete = [...documents.values()].every(({ whole }) => whole);
  return { users, absent, named: new Set(claims.keys()), complete, problems };
}

interface Claim extends SecretEntry {
  readonly secret: string;
}

/**
 * The user that an entry makes. One that can't be read and yet says that the account is off, or when it ends, makes
 * the last good state with that; its keys stay known, so that an entry that can be read opens it again.
 */
function partnerIn(claim: Claim | undefined, account: LedgerUser | undefined, now: number): Partner | null {
  if (!claim || claim.partner !== null) return claim?.partner ?? null;
  const { user: name, secret, closing } = claim;
  if (!closing || account?.removed) return null;
  if (account) return sooner({ ...account.partner, secret }, closing);
  // An account that the ledger lost, if there is one: of its keys nothing is known.
  const isShut = !closing.enabled || (closing.expires !== null && closing.expires <= now);
  const nothing = { networks: null, directories: null, keys: [] };
  return isShut ? { name, secret, uid: null, ...closing, ...nothing } : null;
}

function claimsOf(documents: ReadonlyMap<string, SecretDocument>, problems: Problem[]): Map<string, Claim[]> {
  const claims = new Map<string, Claim[]>();
  for (const { secret, entries, problems: faults } of documents.values()) {
    for (const problem of faults) {
      problems.push({ user: null, secret, problem, hint: 'its users keep their last good state' });
    }
    for (const entry of entries) {
      for (const problem of entry.problems) problems.push(refusal(secret, entry, problem));
      const claimants = claims.get(entry.user);
      if (claimants) claimants.push({ ...entry, secret });
      else claims.set(entry.user, [{ ...entry, secret }]);
    }
  }
  return claims;
}

function refusal(secret: string, { user, partner, closing }: SecretEntry, problem: string): Problem {
  const kept = closing
    ? 'what it says of "enabled" and "expires" counts; the keys stay the last good ones'
    : 'the user keeps its last good state, if it has one';
  const hint = partner === null ? kept : 'the other keys count';
  return { user: quoteName(user).slice(1, -1), secret, problem, hint };
}

function conflict(user: string, secret: string | null, problem: string): Problem {
  return { user, secret, problem: `the name ${problem}`, hint: 'remove it from one of the secrets' };
}

function orphan({ name, secret }: LedgerUser): Problem {
  const hint = 'set users.prefix so that it covers the secret, or name the user in a secret below the prefix';
  return { user: name, secret, problem: 'comes from a secret outside users.prefix and stays as it is', hint };
}
