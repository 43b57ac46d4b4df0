import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Argv, Exec } from '../os/exec.ts';
import { execOk } from '../os/exec-ok.ts';
import { ensureDirectory } from '../os/files.ts';

/**
 * One key of each kind that partners' clients may have pinned or insist on, like Transfer Family's servers. 3072 bits
 * of RSA match the 128 bits of strength of the others (NIST SP 800-57, table 2).
 */
const BITS = { ed25519: [], ecdsa: ['-b', '256'], rsa: ['-b', '3072'] } as const satisfies Record<
  string,
  readonly string[]
>;

export type HostKeyKind = keyof typeof BITS;

/** The preferred one first. */
export const HOST_KEY_KINDS: readonly HostKeyKind[] = ['ed25519', 'ecdsa', 'rsa'];

/** Where a host key lies; its public half beside it, ending in `.pub`. */
export function hostKeyPath(directory: string, kind: HostKeyKind): string {
  return join(directory, `ssh_host_${kind}_key`);
}

/** The paths of the host keys, the preferred one first. */
export function hostKeyPaths(directory: string): string[] {
  return HOST_KEY_KINDS.map((kind) => hostKeyPath(directory, kind));
}

/**
 * Makes the host keys that are missing (root's, 0600) and never touches one that is there: a changed key makes every
 * partner's client refuse the host.
 * @returns the keys that were made
 * @throws OperationError
 */
export async function ensureHostKeys(
  directory: string,
  exec: Exec,
  kinds: readonly HostKeyKind[] = HOST_KEY_KINDS,
): Promise<string[]> {
  await ensureDirectory(directory, 0o700);
  const made: string[] = [];
  for (const kind of kinds) {
    const path = hostKeyPath(directory, kind);
    if (await exists(path)) continue;
    // The private key appears only when it is whole: ssh-keygen refuses to write over a half-made one.
    const identity = ['-N', '', '-C', 's3files-sftp', '-f', path];
    const argv: Argv = ['ssh-keygen', '-q', '-t', kind, ...BITS[kind], ...identity];
    await execOk(exec, argv, { hint: `see whether ${directory} is writable and the disk has space` });
    made.push(path);
  }
  return made;
}

/** The kinds of which there is no host key. */
export async function missingHostKeys(directory: string): Promise<HostKeyKind[]> {
  const missing: HostKeyKind[] = [];
  for (const kind of HOST_KEY_KINDS) if (!(await exists(hostKeyPath(directory, kind)))) missing.push(kind);
  return missing;
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
