import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Argv, Exec } from '../os/exec.ts';
import { execOk } from '../os/exec-ok.ts';
import { ensureDirectory } from '../os/files.ts';

/**
 * One key of each kind that partners' clients may have pinned or insist on, like Transfer Family's servers. 3072 bits
 * of RSA match the 128 bits of strength of the others (NIST SP 800-57, table 2).
 */
const KINDS: ReadonlyArray<readonly [type: string, bits: readonly string[]]> = [
  ['ed25519', []],
  ['ecdsa', ['-b', '256']],
  ['rsa', ['-b', '3072']],
];

/** The paths of the host keys, the preferred one first. */
export function hostKeyPaths(directory: string): string[] {
  return KINDS.map(([type]) => join(directory, `ssh_host_${type}_key`));
}

/**
 * Makes the host keys that are missing (root's, 0600) and never touches one that is there: a changed key makes every
 * partner's client refuse the host.
 * @returns the keys that were made
 * @throws OperationError
 */
export async function ensureHostKeys(directory: string, exec: Exec): Promise<string[]> {
  await ensureDirectory(directory, 0o700);
  const made: string[] = [];
  for (const [type, bits] of KINDS) {
    const path = join(directory, `ssh_host_${type}_key`);
    if (await exists(path)) continue;
    // The private key appears only when it is whole: ssh-keygen refuses to write over a half-made one.
    const argv: Argv = ['ssh-keygen', '-q', '-t', type, ...bits, '-N', '', '-C', 's3files-sftp', '-f', path];
    await execOk(exec, argv, { hint: `see whether ${directory} is writable and the disk has space` });
    made.push(path);
  }
  return made;
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
