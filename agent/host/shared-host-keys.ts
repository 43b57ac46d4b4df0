import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OperationError } from '../operation-error.ts';
import type { Exec } from '../os/exec.ts';
import { ensureDirectory, readFileIfExists, writeFileDurable } from '../os/files.ts';
import { ensureHostKeys, HOST_KEY_KINDS, type HostKeyKind, hostKeyPath } from './host-keys.ts';
import type { HostKeysSecret } from './host-keys-secret.ts';
import { type HostKeyTexts, parseHostKeys } from './host-keys-text.ts';

export interface SharedHostKeysOptions {
  /** Where sshd finds them. */
  readonly directory: string;
  /** Below which keys are made and tried out; in memory, and root's. */
  readonly runtime: string;
  readonly secret: HostKeysSecret;
  readonly exec: Exec;
}

/**
 * Makes this host's keys those of the secret, so that a replaced host shows partners the old fingerprint. Kinds that
 * the secret lacks are added to it first: this host's own where it has one, else new ones. Of hosts that do so at
 * once, one wins, and the others take its keys. A key is on the host only once it is in the secret; whatever fails
 * leaves the host's keys as they are.
 * @param name of the secret, or its ARN
 * @returns the kinds whose key on this host is another than before
 * @throws OperationError
 */
export async function shareHostKeys(
  name: string,
  options: SharedHostKeysOptions,
  signal: AbortSignal,
): Promise<HostKeyKind[]> {
  const { directory, runtime, secret } = options;
  await ensureDirectory(directory, 0o700);
  const workshop = await mkdtemp(join(runtime, 'host-keys-'));
  try {
    const before = await secret.read(name, signal);
    let stored = parseHostKeys(name, before.text);
    const missing = HOST_KEY_KINDS.filter((kind) => stored[kind] === undefined);
    if (missing.length > 0) {
      const whole = { ...stored, ...(await ownOrNew(missing, workshop, options)) };
      // A key that no sshd takes would otherwise come back from the secret for ever.
      await changesOf(name, whole, workshop, options);
      const text = JSON.stringify(whole);
      if (await secret.write(name, text, tokenAfter(before.versionId), signal)) stored = whole;
      else stored = parseHostKeys(name, (await secret.read(name, signal)).text);
    }
    const changes = await changesOf(name, stored, workshop, options);
    for (const { kind, text, publicKey } of changes) {
      const path = hostKeyPath(directory, kind);
      await writeFileDurable(path, text, { mode: 0o600 });
      await writeFileDurable(`${path}.pub`, publicKey, { mode: 0o644 });
    }
    return changes.map(({ kind }) => kind);
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

/** The same for every host that saw this version, so that only one of them can complete it. */
function tokenAfter(versionId: string): string {
  return createHash('sha256').update(`s3files-sftp host keys after ${versionId}`).digest('hex');
}

async function ownOrNew(
  kinds: readonly HostKeyKind[],
  workshop: string,
  { directory, exec }: SharedHostKeysOptions,
): Promise<HostKeyTexts> {
  const texts: Partial<Record<HostKeyKind, string>> = {};
  for (const kind of kinds) {
    const path = hostKeyPath(directory, kind);
    const own = await readFileIfExists(path);
    if (own === undefined) await ensureHostKeys(workshop, exec, [kind]);
    else await publicKeyOf(path, kind, own, workshop, exec);
    texts[kind] = own ?? (await readFileIfExists(hostKeyPath(workshop, kind))) ?? '';
  }
  return texts;
}

interface Change {
  readonly kind: HostKeyKind;
  readonly text: string;
  readonly publicKey: string;
}

/** The keys that this host doesn't have yet, each tried out. */
async function changesOf(
  name: string,
  stored: HostKeyTexts,
  workshop: string,
  { directory, exec }: SharedHostKeysOptions,
): Promise<Change[]> {
  const changes: Change[] = [];
  for (const kind of HOST_KEY_KINDS) {
    const text = stored[kind];
    const target = `${kind} of secret ${name}`;
    if (text === undefined) throw new OperationError({ op: 'read host key', target }, 'there is none');
    if ((await readFileIfExists(hostKeyPath(directory, kind))) === text) continue;
    changes.push({ kind, text, publicKey: await publicKeyOf(target, kind, text, workshop, exec) });
  }
  return changes;
}

/** What begins the public half of each kind (ssh-keygen(1), -t). */
const PUBLIC_FORMS: Record<HostKeyKind, RegExp> = {
  ed25519: /^ssh-ed25519 /,
  ecdsa: /^ecdsa-sha2-nistp(256|384|521) /,
  rsa: /^ssh-rsa /,
};

/** Lets ssh-keygen read a private key, as sshd would: no passphrase, of the kind that it is said to be. */
async function publicKeyOf(
  target: string,
  kind: HostKeyKind,
  text: string,
  workshop: string,
  exec: Exec,
): Promise<string> {
  const hint = 'put a private key of this kind there, without a passphrase: ssh-keygen -p -N "" -f FILE';
  const path = join(workshop, 'candidate');
  await writeFileDurable(path, text, { mode: 0o600 });
  const argv = ['ssh-keygen', '-y', '-P', '', '-f', path] as const;
  const result = await exec(argv, { timeoutMs: 10_000 });
  // Its complaint names the file, and could quote it.
  if (result.outcome !== 'exited' || result.code !== 0)
    throw new OperationError({ op: 'read host key', target, hint }, 'ssh-keygen can’t read it');
  if (!PUBLIC_FORMS[kind].test(result.stdout))
    throw new OperationError({ op: 'read host key', target, hint }, 'it is a key of another kind');
  return result.stdout;
}
