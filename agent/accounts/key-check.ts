import { OperationError } from '../operation-error.ts';
import type { Edges } from '../os/edges.ts';
import { endingOf } from '../os/exec-ok.ts';
import type { PublicKey } from './public-key.ts';

/** Answers which of some keys OpenSSH itself refuses, by fingerprint. */
export type KeyCheck = (keys: readonly PublicKey[]) => Promise<ReadonlySet<string>>;

/** 0.15 s of ssh-keygen, measured; far below the deadline even on a small machine. */
const BATCH = 2_000;
/** As many as there are processors; each batch is up to 1.5 MB of text, and as much again of what it prints. */
const AT_ONCE = 2;
/** A bound for the cache: beyond any number of keys that one host serves. */
const CACHE_LIMIT = 50_000;
/**
 * A key that every ssh-keygen takes, sent with each batch: when even this one does not come back, the tool has failed
 * and says nothing about the others. Its private half was thrown away.
 */
const CANARY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsFnjjt47YGn2EUete88nZTvMCXg9AH9O2GUja/iEG6 canary';

/**
 * The last word on keys is `ssh-keygen -l`'s, which shares its reader with sshd. Each key is asked about once in the
 * life of the agent.
 * @throws OperationError (from the check) when ssh-keygen can't be run
 */
export function createKeyCheck(edges: Pick<Edges, 'exec'>): KeyCheck {
  const cache = new Map<string, boolean>();
  return async (keys) => {
    if (cache.size > CACHE_LIMIT) cache.clear();
    const unknown = [...new Map(keys.map((key) => [key.fingerprint, key])).values()].filter(
      (key) => !cache.has(key.fingerprint),
    );
    const check = async (batch: readonly PublicKey[]) => {
      const accepted = await ask(batch, edges);
      for (const key of batch) cache.set(key.fingerprint, accepted.has(key.fingerprint));
    };
    const starts = Array.from(
      { length: Math.ceil(unknown.length / BATCH) },
      (_, index) => index * BATCH,
    ).values();
    const work = async () => {
      for (const start of starts) await check(unknown.slice(start, start + BATCH));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return new Set(
      keys.map((key) => key.fingerprint).filter((fingerprint) => cache.get(fingerprint) === false),
    );
  };
}

async function ask(keys: readonly PublicKey[], { exec }: Pick<Edges, 'exec'>): Promise<Set<string>> {
  const lines = keys.map((key, index) => `${key.type} ${key.base64} ${index}`);
  // With a file of several lines ssh-keygen skips those that it can't read, and prints each other with its comment.
  const result = await exec(['ssh-keygen', '-l', '-E', 'sha256', '-f', '-'], {
    input: `${[...lines, CANARY].join('\n')}\n`,
  });
  const output = result.outcome === 'exited' ? result.stdout : '';
  if (!/ canary \(ED25519\)$/m.test(output)) {
    const hint = 'is openssh installed? Users stay as they are until it works';
    throw new OperationError({ op: 'check keys with', target: 'ssh-keygen', hint }, endingOf(result));
  }
  const accepted = new Set<string>();
  for (const line of output.split('\n')) {
    const [, fingerprint, index] = /^\d+ (SHA256:[A-Za-z0-9+/]{43}) (\d+) \([A-Z0-9-]+\)$/.exec(line) ?? [];
    // Two readers that disagree on what a line is would be a hole: the fingerprints have to be the same.
    if (fingerprint !== undefined && keys[Number(index)]?.fingerprint === fingerprint)
      accepted.add(fingerprint);
  }
  return accepted;
}
