import { readFile } from 'node:fs/promises';
import type { Edges } from '../os/edges.ts';

export interface SessionStart {
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startTicks: number;
  readonly user: string;
}

/** USER_HZ, which is 100 on every Linux that Node.js runs on (time(7)). */
const TICKS_PER_SECOND = 100;
/** Reading the lines of a few pids takes 20 ms; beyond this the sessions count as unknown. */
const TIMEOUT_MS = 5_000;
/** Without it a login of this very second might not be in the files yet. */
const SYNC_TIMEOUT_MS = 2_000;

/**
 * Finds which key opened each session, in the journal namespace of the partner sshd. Its monitor process, which is
 * root's, logs `Accepted publickey for NAME from ADDRESS port N ssh2: TYPE SHA256:…` under its own pid, which the
 * kernel vouches for. Lines from before the process began belong to an earlier one with the same pid.
 * @returns fingerprints by pid; a session whose line is not found is missing
 */
export async function findFingerprints(
  sessions: readonly SessionStart[],
  { exec, procRoot, namespace }: Pick<Edges, 'exec'> & { procRoot: string; namespace: string },
): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  if (sessions.length === 0) return found;
  const bootId = await hostBootId(procRoot);
  if (bootId === undefined) return found;
  const journal = `--namespace=${namespace}`;
  await exec(['journalctl', journal, '--sync'], { timeoutMs: SYNC_TIMEOUT_MS });
  const result = await exec(
    [
      'journalctl',
      journal,
      '--quiet',
      '--no-pager',
      '--output=json',
      '--output-fields=MESSAGE,_PID,_UID,__MONOTONIC_TIMESTAMP',
      // The patched internal-sftp of Fedora and EL logs through the monitor, thousands of lines a session.
      '--identifier=sshd',
      '--identifier=sshd-session',
      `_BOOT_ID=${bootId.trim().replaceAll('-', '')}`,
      '_UID=0',
      ...sessions.map(({ pid }) => `_PID=${pid}`),
    ],
    { timeoutMs: TIMEOUT_MS },
  );
  if (result.outcome !== 'exited') return found;
  const byPid = new Map(sessions.map((session) => [session.pid, session]));
  for (const line of result.stdout.split('\n')) {
    const accepted = parseAccepted(line);
    const session = accepted && byPid.get(accepted.pid);
    // One tick of rounding.
    const isSince = session && accepted.ticks >= session.startTicks - 1;
    if (isSince && accepted.user === session.user) found.set(session.pid, accepted.fingerprint);
  }
  return found;
}

/**
 * The boot that the journal means is PID 1's: in a container it is a mount of its own over the kernel's, which the
 * agent's sandbox covers again (ProtectKernelTunables=).
 */
async function hostBootId(procRoot: string): Promise<string | undefined> {
  const read = (path: string) => readFile(path, 'utf8').catch(() => undefined);
  const path = 'sys/kernel/random/boot_id';
  return (await read(`${procRoot}/1/root/proc/${path}`)) ?? (await read(`${procRoot}/${path}`));
}

interface Accepted {
  readonly pid: number;
  readonly ticks: number;
  readonly user: string;
  readonly fingerprint: string;
}

/** Anchored at both ends: other lines of the same process may carry text that a stranger sent. */
const ACCEPTED = /^Accepted publickey for (\S+) from \S+ port \d+ ssh2: \S+ (SHA256:[A-Za-z0-9+/]{43})$/;

function parseAccepted(line: string): Accepted | undefined {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof entry !== 'object' || entry === null || !('MESSAGE' in entry) || !('_PID' in entry))
    return undefined;
  const micros = '__MONOTONIC_TIMESTAMP' in entry ? Number(entry.__MONOTONIC_TIMESTAMP) : Number.NaN;
  // A message that is not text comes as a list of bytes: none of ours.
  const [, user, fingerprint] = (typeof entry.MESSAGE === 'string' && ACCEPTED.exec(entry.MESSAGE)) || [];
  if (user === undefined || fingerprint === undefined || Number.isNaN(micros)) return undefined;
  return { pid: Number(entry._PID), ticks: (micros / 1e6) * TICKS_PER_SECOND, user, fingerprint };
}
