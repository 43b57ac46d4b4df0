import type { KeyCheck } from './key-check.ts';
import type { LedgerUser } from './ledger-user.ts';
import { isSamePartner, type Problem } from './partner.ts';
import { type SecretDocument, type SecretEntry, settleEntry, sharedIfEmpty } from './secret-document.ts';
import type { SecretReading } from './secrets-source.ts';

/** The last document that was read of each secret, kept from poll to poll; values themselves are never kept. */
export interface SecretLibrary {
  /**
   * Takes in what a poll read.
   * @param known the last good state by user: where a secret still says the same, one object serves both
   * @returns what is left out of the new documents on purpose, by secret
   */
  update(
    readings: readonly SecretReading[],
    known: ReadonlyMap<string, Pick<LedgerUser, 'partner'>>,
  ): Promise<readonly { secret: string; note: string }[]>;
  /** Drops a secret that is not polled any more. */
  forget(secret: string): void;
  readonly documents: ReadonlyMap<string, SecretDocument>;
  readonly gone: ReadonlySet<string>;
  /** Secrets that could not be read at the last poll. */
  unread(): readonly Problem[];
}

export function createSecretLibrary(checkKeys: KeyCheck): SecretLibrary {
  const documents = new Map<string, SecretDocument>();
  const gone = new Set<string>();
  let unread: Problem[] = [];
  return {
    documents,
    gone,
    unread: () => unread,
    forget(secret) {
      documents.delete(secret);
      gone.delete(secret);
    },
    async update(readings, known) {
      const parsed = readings.flatMap((reading) => (reading.state === 'changed' ? [reading.document] : []));
      const keys = parsed.flatMap(({ entries }) => entries.flatMap(({ partner }) => partner?.keys ?? []));
      // Before anything is taken in: if the check fails, the next poll finds the same secrets changed again.
      const rejected = await checkKeys(keys);
      for (const document of parsed) {
        const entries = document.entries.map((entry) => shared(settleEntry(entry, rejected), known));
        // Its notes are handed over below, once.
        const problems = sharedIfEmpty(document.problems);
        documents.set(document.secret, { ...document, entries, problems, notes: sharedIfEmpty([]) });
        gone.delete(document.secret);
      }
      unread = [];
      for (const reading of readings) {
        if (reading.state === 'gone') {
          documents.delete(reading.secret);
          gone.add(reading.secret);
        } else if (reading.state === 'unread') {
          const { secret, problem, hint } = reading;
          unread.push({ user: null, secret, problem, hint });
        } else gone.delete(reading.secret);
      }
      return parsed.flatMap(({ secret, notes }) => notes.map((note) => ({ secret, note })));
    },
  };
}

/** Ten thousand partners twice would be 10 MB, and each pass would compare them letter by letter. */
function shared(entry: SecretEntry, known: ReadonlyMap<string, Pick<LedgerUser, 'partner'>>): SecretEntry {
  const last = known.get(entry.user)?.partner;
  const isSame = last !== undefined && entry.partner !== null && isSamePartner(last, entry.partner);
  return isSame ? { ...entry, partner: last } : entry;
}
