import {
  BatchGetSecretValueCommand,
  DescribeSecretCommand,
  ListSecretsCommand,
  type ListSecretsCommandOutput,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { nameOf, OperationError } from '../operation-error.ts';
import type { Edges } from '../os/edges.ts';
import { parseSecret } from './secret-parse.ts';
import type { SecretReading, SecretsReading, SecretsSource } from './secrets-source.ts';

/** Of ListSecrets and BatchGetSecretValue (the API reference's maxima). */
const LIST_PAGE = 100;
const BATCH = 20;
/** Far below the quota of some 100 calls a second, which the account's other programs share. */
const CONCURRENCY = 4;
/**
 * ListSecrets may lag five minutes (the API reference), so asking it more often than that finds little; but where one
 * page holds everything it is a single call, and a new partner appears at the next poll.
 */
const LIST_AGAIN_MS = 300_000;
/**
 * A secret that is gone is asked for itself this often: while a mass deletion waits for approval, a question to each of
 * thousands at every poll would cost more than all else. Every poll's batch still tells when one is back.
 */
const GONE_AGAIN_MS = 600_000;

/**
 * Reads secrets from AWS Secrets Manager: ListSecrets to discover, and every known secret by its own name with
 * BatchGetSecretValue, 20 to a call, its version compared and its value dropped unread when that has not moved.
 * DescribeSecret would leave the value where it is, and costs twenty times as many calls.
 *
 * What a poll costs is in docs/cost.md: for one secret to each of 10,000 users, $114 a month at a poll a minute, which
 * is 3 % of what the secrets themselves cost; for the same users in 40 bundles, 66 cents. Decrypts of a KMS key of the
 * customer's own come on top.
 */
export function createSecretsSource(
  { region }: { readonly region: string | undefined },
  edges: Pick<Edges, 'monotonicMs'>,
): SecretsSource {
  const client = new SecretsManagerClient({
    ...(region !== undefined && { region }),
    // Throttling on one page of many must not fail the poll: adaptive mode slows down instead of giving up.
    retryMode: 'adaptive',
    maxAttempts: 5,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 15_000, throwOnRequestTimeout: true },
  });
  let nextListMs = Number.NEGATIVE_INFINITY;
  /** When to ask again, by secret that said itself that it is gone. */
  const gone = new Map<string, number>();

  /** Names of secrets, page by page. Each page is asked for before the one before it is used, and the first at once. */
  const discover = (prefix: string, abortSignal: AbortSignal): AsyncGenerator<string[]> => {
    const Filters = [{ Key: 'name' as const, Values: [prefix] }];
    const ask = (NextToken?: string) => {
      const request = { Filters, MaxResults: LIST_PAGE, ...(NextToken !== undefined && { NextToken }) };
      const asked = client.send(new ListSecretsCommand(request), { abortSignal });
      // Whoever takes the page is told of a failure; until then nobody has to be.
      asked.catch(() => {});
      return asked;
    };
    const first = ask();
    return (async function* () {
      let pages = 0;
      for (let next: typeof first | undefined = first; next !== undefined; pages += 1) {
        const page: ListSecretsCommandOutput = await next;
        next = page.NextToken === undefined ? undefined : ask(page.NextToken);
        yield (page.SecretList ?? []).flatMap(({ Name }) => (Name?.startsWith(prefix) ? [Name] : []));
      }
      nextListMs = edges.monotonicMs() + (pages > 1 ? LIST_AGAIN_MS : 0);
    })();
  };

  const readBatch = async (
    names: readonly string[],
    known: ReadonlyMap<string, string>,
    abortSignal: AbortSignal,
  ): Promise<SecretReading[]> => {
    const readings = new Map<string, SecretReading>();
    let NextToken: string | undefined;
    do {
      const request = { SecretIdList: [...names], ...(NextToken !== undefined && { NextToken }) };
      const page = await client.send(new BatchGetSecretValueCommand(request), { abortSignal });
      for (const { Name: secret = '', VersionId: versionId = '', SecretString: text } of page.SecretValues ??
        []) {
        gone.delete(secret);
        const isSame = versionId !== '' && known.get(secret) === versionId;
        readings.set(
          secret,
          isSame
            ? { secret, state: 'unchanged' }
            : { secret, state: 'changed', document: parseSecret({ secret, versionId, text }) },
        );
      }
      for (const { SecretId = '', ErrorCode = 'an unknown error' } of page.Errors ?? []) {
        // The name that was asked for, or its ARN, which ends in a dash and six characters.
        const name = /:secret:(.+)-[A-Za-z0-9]{6}$/.exec(SecretId)?.[1] ?? SecretId;
        readings.set(name, await explain(name, ErrorCode, abortSignal));
      }
      // A token that came back unchanged would lead round and round.
      NextToken = page.NextToken === NextToken ? undefined : page.NextToken;
    } while (NextToken !== undefined);
    return names.map((name) => readings.get(name) ?? unread(name, 'was left out of the answer'));
  };

  /** An error of a batch says why a value can't be had; whether the secret is gone, only the secret itself says. */
  const explain = async (secret: string, code: string, abortSignal: AbortSignal): Promise<SecretReading> => {
    if (code !== 'ResourceNotFoundException' && code !== 'InvalidRequestException')
      return unread(secret, code);
    const againMs = gone.get(secret);
    if (againMs !== undefined && edges.monotonicMs() < againMs) return { secret, state: 'gone' };
    gone.delete(secret);
    try {
      const described = await client.send(new DescribeSecretCommand({ SecretId: secret }), { abortSignal });
      if (described.DeletedDate === undefined) return unread(secret, code);
    } catch (cause) {
      if (nameOf(cause) !== 'ResourceNotFoundException')
        return unread(secret, `${code}, then ${nameOf(cause)}`);
    }
    gone.set(secret, edges.monotonicMs() + GONE_AGAIN_MS);
    return { secret, state: 'gone' };
  };

  return {
    async read(known, prefix, signal): Promise<SecretsReading> {
      let failure: OperationError | null = null;
      let isListed = false;
      const names = new Set(known.keys());
      /** What is known, and then what is found, while more is still being looked for: two slow things at once. */
      async function* asBatches(): AsyncGenerator<string[]> {
        const pages = edges.monotonicMs() >= nextListMs ? discover(prefix, signal) : [];
        yield* chunks([...names], BATCH);
        let found: string[] = [];
        try {
          for await (const page of pages) {
            found.push(...page.filter((name) => !names.has(name)));
            for (const name of page) names.add(name);
            const whole = found.length - (found.length % BATCH);
            yield* chunks(found.slice(0, whole), BATCH);
            found = found.slice(whole);
          }
          isListed = true;
          if (found.length > 0) yield found;
        } catch (cause) {
          failure = failed('list secrets', `${prefix}*`, cause);
        }
      }
      const batches = asBatches();
      const readings: SecretReading[] = [];
      const work = async () => {
        // By hand: a `for await` that is left ends the generator, for the other workers too.
        for (let next = await batches.next(); next.done !== true; next = await batches.next()) {
          const batch = next.value;
          try {
            readings.push(...(await readBatch(batch, known, signal)));
          } catch (cause) {
            failure ??= failed('read secrets', `${batch[0]} and ${batch.length - 1} more`, cause);
            // The others would fail alike, each after its retries.
            return;
          }
        }
      };
      await Promise.all(Array.from({ length: CONCURRENCY }, work));
      // Where the workers gave up: what they did read counts once the list is whole.
      while ((await batches.next()).done !== true);
      for (const secret of gone.keys()) if (!names.has(secret)) gone.delete(secret);
      // Of names that two secrets claim the second may be on a page that nobody saw: half a list brings none.
      return { readings: isListed ? readings : readings.filter(({ secret }) => known.has(secret)), failure };
    },
  };
}

function unread(secret: string, code: string): SecretReading {
  const problem = `can’t be read: ${code}`;
  const isDenied = /AccessDenied|Decryption/.test(code);
  const hint = isDenied
    ? 'allow the host’s role secretsmanager:GetSecretValue, and kms:Decrypt for its key'
    : 'its users keep their last good state';
  return { secret, state: 'unread', problem, hint };
}

function failed(op: string, target: string, cause: unknown): OperationError {
  const hint = /Credentials|AccessDenied|Unrecognized/.test(nameOf(cause))
    ? 'see the policy of the host’s role: s3files-sftp doctor'
    : 'every partner keeps its last good state meanwhile';
  return new OperationError({ op, target, hint }, cause);
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
