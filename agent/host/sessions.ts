import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, OperationError } from '../operation-error.ts';
import type { Edges } from '../os/edges.ts';
import { isInUnit, type Process, readProcess, readProcesses, readTitle } from './proc.ts';
import { findFingerprints } from './session-journal.ts';

/** The unit and the journal namespace of the partner sshd. */
const UNIT = 's3files-sftp-sshd.service';
const NAMESPACE = 's3files-sftp';

/** One connection of a partner's, by its monitor process. */
export interface Session {
  readonly user: string;
  readonly pid: number;
  readonly startTicks: number;
}

export interface SessionEdges extends Pick<Edges, 'exec'> {
  /** `/proc`, save in tests. */
  readonly procRoot?: string;
  /** process.kill, save in tests. */
  readonly kill?: (pid: number, signal: 'SIGTERM' | 'SIGKILL') => void;
  readonly unit?: string;
}

/** sshd's monitor calls itself `sshd: NAME [priv]`, since OpenSSH 9.8 `sshd-session: NAME [priv]`. */
const MONITOR = /^sshd(?:-session)?: (\S+) \[priv\]$/;

/** Lists the partner sshd's sessions, and those that are just logging in: root's monitors in the unit's cgroup. */
export function listSessions({
  procRoot = '/proc',
  unit = UNIT,
}: Omit<SessionEdges, 'exec'> = {}): Session[] {
  return readProcesses(procRoot).flatMap(({ pid, startTicks, uid, state }) => {
    if (uid !== 0 || state === 'Z') return [];
    const [, user] = MONITOR.exec(readTitle(procRoot, pid)) ?? [];
    return user !== undefined && isInUnit(procRoot, pid, unit) ? [{ user, pid, startTicks }] : [];
  });
}

/** Time that a session has to end by itself, in ms. */
const POLITE_MS = 1_000;
/** A killed process that is gone by then was not stuck in the kernel. */
const KILLED_MS = 1_000;
const POLL_MS = 20;
/** A login that had read the key file just before it changed has its monitor within this time. */
const SETTLE_MS = 150;

/**
 * Ends a user's live sessions: SIGTERM, at most a second, SIGKILL. Looks a second time for logins that were under way
 * when the key went. A session whose key can't be found out counts as opened by the one that was revoked.
 * @param fingerprints end only sessions opened by one of these; undefined: all
 * @returns how many were ended, once they are gone
 * @throws OperationError when a process survives, as one stuck on a dead mount does
 */
export async function endSessions(
  user: string,
  fingerprints: readonly string[] | undefined,
  edges: SessionEdges,
): Promise<number> {
  let ended = await endRound(user, fingerprints, edges);
  await sleep(SETTLE_MS);
  ended += await endRound(user, fingerprints, edges);
  return ended;
}

async function endRound(
  user: string,
  fingerprints: readonly string[] | undefined,
  edges: SessionEdges,
): Promise<number> {
  const { procRoot = '/proc', exec } = edges;
  const sessions = listSessions(edges).filter((session) => session.user === user);
  if (sessions.length === 0) return 0;
  const openers =
    fingerprints && (await findFingerprints(sessions, { exec, procRoot, namespace: NAMESPACE }));
  const doomed = sessions.filter(({ pid }) => {
    const opener = openers?.get(pid);
    return fingerprints === undefined || opener === undefined || fingerprints.includes(opener);
  });
  const family = withDescendants(doomed, readProcesses(procRoot));
  signal(family, 'SIGTERM', edges);
  if (await areGone(family, POLITE_MS, procRoot)) return doomed.length;
  signal(family, 'SIGKILL', edges);
  if (await areGone(family, KILLED_MS, procRoot)) return doomed.length;
  const hint = 'a process waits on a dead mount; it ends when the mount does';
  throw new OperationError({ op: 'end sessions of', target: user, hint }, 'a process survived SIGKILL');
}

type Identity = Pick<Process, 'pid' | 'startTicks'>;

/** Monitors first, so that none of them starts a new child after its children were ended. */
function withDescendants(monitors: readonly Identity[], processes: readonly Process[]): Identity[] {
  const family: Identity[] = [...monitors];
  for (const member of family) {
    for (const child of processes) if (child.parent === member.pid) family.push(child);
  }
  return family;
}

function signal(family: readonly Identity[], name: 'SIGTERM' | 'SIGKILL', edges: SessionEdges): void {
  const { procRoot = '/proc', kill = (pid, sig) => process.kill(pid, sig) } = edges;
  for (const member of family) {
    if (!isAlive(member, procRoot)) continue;
    try {
      kill(member.pid, name);
    } catch (cause) {
      if (codeOf(cause) === 'ESRCH') continue;
      throw new OperationError({ op: `send ${name} to`, target: `process ${member.pid}` }, cause);
    }
  }
}

/** By pid and start time, so that a pid that was given to another process is never taken for the old one. */
function isAlive({ pid, startTicks }: Identity, procRoot: string): boolean {
  const now = readProcess(procRoot, pid);
  return now !== undefined && now.startTicks === startTicks && now.state !== 'Z';
}

async function areGone(family: readonly Identity[], withinMs: number, procRoot: string): Promise<boolean> {
  for (let waited = 0; ; waited += POLL_MS) {
    if (!family.some((member) => isAlive(member, procRoot))) return true;
    if (waited >= withinMs) return false;
    await sleep(POLL_MS);
  }
}
