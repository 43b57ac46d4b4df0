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

/** Whose sessions are to end. */
export interface SessionEnding {
  readonly user: string;
  /** Only those that one of these keys opened; null: all. */
  readonly fingerprints: readonly string[] | null;
}

/** How many of a user's sessions were ended, or why one of them goes on. */
export type SessionsEnded = number | OperationError;

/**
 * Ends live sessions of any number of users: SIGTERM, at most a second, SIGKILL. Looks a second time for logins that
 * were under way when the key went. A session whose key can't be found out counts as opened by the one that was
 * revoked. Takes some four seconds at most, however many they are.
 * @returns for each user how it went, once the sessions are gone; a process may survive, stuck on a dead mount
 */
export async function endSessions(
  endings: readonly SessionEnding[],
  edges: SessionEdges,
): Promise<ReadonlyMap<string, SessionsEnded>> {
  if (endings.length === 0) return new Map();
  const first = await endRound(endings, edges);
  await sleep(SETTLE_MS);
  const second = await endRound(endings, edges);
  return new Map(endings.map(({ user }) => [user, sum(first.get(user) ?? 0, second.get(user) ?? 0)]));
}

function sum(first: SessionsEnded, second: SessionsEnded): SessionsEnded {
  if (typeof second !== 'number') return second;
  return typeof first === 'number' ? first + second : first;
}

async function endRound(
  endings: readonly SessionEnding[],
  edges: SessionEdges,
): Promise<Map<string, SessionsEnded>> {
  const { procRoot = '/proc', exec } = edges;
  const revoked = new Map(endings.map(({ user, fingerprints }) => [user, fingerprints]));
  const sessions = listSessions(edges).filter(({ user }) => revoked.has(user));
  if (sessions.length === 0) return new Map();
  const asked = sessions.filter(({ user }) => revoked.get(user) !== null);
  const openers = await findFingerprints(asked, { exec, procRoot, namespace: NAMESPACE });
  const doomed = sessions.filter(({ user, pid }) => {
    const [fingerprints, opener] = [revoked.get(user) ?? null, openers.get(pid)];
    return fingerprints === null || opener === undefined || fingerprints.includes(opener);
  });
  const processes = readProcesses(procRoot);
  const families = doomed.map((session) => ({
    user: session.user,
    members: withDescendants(session, processes),
  }));
  const everyone = families.flatMap(({ members }) => members);
  signal(everyone, 'SIGTERM', edges);
  if (!(await areGone(everyone, POLITE_MS, procRoot))) {
    signal(everyone, 'SIGKILL', edges);
    await areGone(everyone, KILLED_MS, procRoot);
  }
  const ended = new Map<string, SessionsEnded>();
  for (const { user, members } of families) {
    const survives = members.some((member) => isAlive(member, procRoot));
    ended.set(user, sum(ended.get(user) ?? 0, survives ? survived(user) : 1));
  }
  return ended;
}

function survived(user: string): OperationError {
  const hint = 'a process waits on a dead mount; it ends when the mount does';
  return new OperationError({ op: 'end sessions of', target: user, hint }, 'a process survived SIGKILL');
}

type Identity = Pick<Process, 'pid' | 'startTicks'>;

/** The monitor first, so that it starts no new child after its children were ended. */
function withDescendants(monitor: Identity, processes: readonly Process[]): Identity[] {
  const family: Identity[] = [monitor];
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
