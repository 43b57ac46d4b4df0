import { sourceNetworks } from './authorized-keys.ts';
import { type Closing, closingOf } from './closing.ts';
import type { Partner } from './partner.ts';

export type SecretForm = 'native' | 'bundle' | 'transfer-family' | 'unreadable';

/** What one secret says of one user. */
export interface SecretEntry {
  readonly user: string;
  /** null: it can't be read as a user, so whoever has this name keeps the last good state. */
  readonly partner: Partner | null;
  /** Why it can't, or which of its keys are refused. */
  readonly problems: readonly string[];
  /** How many of its keys are refused. */
  readonly refused: number;
  /** Where it can't be read as a user: what shuts the account all the same. */
  readonly closing?: Closing;
}

/** A user that was just parsed, with what was left out on purpose. */
export interface ParsedUser {
  readonly entry: SecretEntry;
  readonly notes: readonly string[];
}

/** One version of one secret, read. */
export interface SecretDocument {
  readonly secret: string;
  readonly versionId: string;
  readonly form: SecretForm;
  readonly entries: readonly SecretEntry[];
  /** Whether a user that is not in `entries` is known to be absent: false where any part could not be read. */
  readonly whole: boolean;
  /** What is wrong with the secret as such. */
  readonly problems: readonly string[];
  /** What was left out on purpose, worth one line in the log. */
  readonly notes: readonly string[];
}

/** Of ten thousand secrets each with lists of its own that are empty, a megabyte or two would be kept. */
const NOTHING: readonly string[] = [];

/** The same list, or the one that all share where there is nothing in it. */
export function sharedIfEmpty(list: readonly string[]): readonly string[] {
  return list.length === 0 ? NOTHING : list;
}

/**
 * Drops the keys that OpenSSH refuses or that no network could use. Keys that remain count, and those no longer listed
 * are revoked; but where refusals leave none at all, the list is taken as unreadable: a slip in a line must not lock
 * a partner out. That it is disabled or expires counts in any case.
 * @param rejected fingerprints
 */
export function settleEntry(entry: SecretEntry, rejected: ReadonlySet<string>): SecretEntry {
  const { partner } = entry;
  if (partner === null) return entry;
  const problems = [...entry.problems];
  const keys = partner.keys.filter((key, index) => {
    if (rejected.has(key.fingerprint))
      problems.push(`key ${index + 1} (${key.fingerprint}) is refused by ssh-keygen`);
    else if (sourceNetworks(partner, key)?.length === 0) {
      problems.push(`key ${index + 1} (${key.fingerprint}) has no network in common with allowedNetworks`);
    } else return true;
    return false;
  });
  const refused = entry.refused + partner.keys.length - keys.length;
  if (keys.length === 0 && refused > 0) {
    const closing = closingOf(partner);
    return { user: entry.user, partner: null, problems, refused, ...(closing && { closing }) };
  }
  const isSame = keys.length === partner.keys.length;
  return {
    user: entry.user,
    partner: isSame ? partner : { ...partner, keys },
    problems: sharedIfEmpty(problems),
    refused,
  };
}
