import { OperationError } from '../operation-error.ts';
import type { Ledger } from './ledger.ts';
import type { Problem } from './partner.ts';
import type { Reading } from './plan.ts';
import type { SecretLibrary } from './secret-library.ts';
import type { AccountEdges } from './sync.ts';

export interface SecretsOutcome {
  /** Why not all was read, if so. */
  readonly failure: OperationError | null;
  /** Whether nothing was. */
  readonly isBlind: boolean;
  readonly reading: Reading;
  /** Secrets that could not be read, one by one. */
  readonly problems: readonly Problem[];
}

/** Takes into the library what changed in the secrets that are known or found. Never throws. */
export function createSecretsReader(
  prefixOf: () => string,
  library: SecretLibrary,
  { secrets: source, log }: Pick<AccountEdges, 'secrets' | 'log'>,
): (ledger: Pick<Ledger, 'users'>, signal: AbortSignal) => Promise<SecretsOutcome> {
  /** Secrets that could not be read last time either: they keep nobody else from being removed. */
  let unread: ReadonlySet<string> = new Set();
  return async (ledger, signal) => {
    const prefix = prefixOf();
    const owned = [...ledger.users.values()].filter(
      ({ removed, secret }) => !removed && secret.startsWith(prefix),
    );
    const known = new Map(owned.map(({ secret }) => [secret, '']));
    for (const { secret, versionId } of library.documents.values()) {
      if (secret.startsWith(prefix)) known.set(secret, versionId);
      else library.forget(secret);
    }
    let readings = 0;
    let failure: OperationError | null;
    try {
      const read = await source.read(known, prefix, signal);
      readings = read.readings.length;
      for (const { secret, note } of await library.update(read.readings, ledger.users))
        log.info({ secret }, `secret ${secret}: ${note}`);
      failure = read.failure ?? allUnread(library.unread(), readings, prefix);
    } catch (cause) {
      failure =
        cause instanceof OperationError
          ? cause
          : new OperationError({ op: 'read', target: 'secrets' }, cause);
    }
    const before = unread;
    unread = new Set(library.unread().flatMap(({ secret }) => secret ?? []));
    const whole = failure === null && [...unread].every((secret) => before.has(secret));
    return {
      failure,
      isBlind: failure !== null && readings === 0,
      reading: { whole, complete: failure === null && unread.size === 0 },
      problems: library.unread(),
    };
  };
}

/** Where every single secret is refused, nothing was read, whatever the calls say. */
function allUnread(unread: readonly Problem[], readings: number, prefix: string): OperationError | null {
  const [first] = unread;
  if (!first || unread.length < readings) return null;
  const hint = first.hint === undefined ? {} : { hint: first.hint };
  return new OperationError(
    { op: 'read secrets', target: `${prefix}*`, ...hint },
    `none of ${readings} could be read; ${first.secret} ${first.problem}`,
  );
}
