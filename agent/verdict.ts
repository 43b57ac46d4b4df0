import type { AgentStatus } from './status.ts';

/** The parts of the status that decide whether partners are served as they should be. */
export type Evidence = Pick<AgentStatus, 'mount' | 'accounts' | 'uploads' | 'sessionLog' | 'loops'> & {
  /** Whether the partner sshd runs. */
  readonly sshdActive: boolean;
};

/** Syncs missed in a row before the state says so; one missed poll is weather. */
const SYNCS_MISSED = 5;
/** With a short period, a single slow call would count as several missed ones. */
const LEAST_SYNC_AGE_MS = 60_000;

/**
 * Why the agent is not healthy: what keeps a partner from uploading, or an upload from being counted, most important
 * first. One user's broken secret is no reason: it is a problem of that user's, told by the accounts' report.
 * @param pollMs the period of the account sync
 * @returns the reasons; none means healthy
 */
export function reasonsAgainst(evidence: Evidence, now: number, pollMs: number): string[] {
  const { mount, accounts, uploads, sessionLog, loops } = evidence;
  const reasons: string[] = [];
  if (mount.health === 'maintenance') {
    reasons.push(`maintenance is on: partners are ${mount.refused ? '' : 'being '}refused`);
  } else if (!mount.serving) reasons.push(`the mount is ${mount.health}: ${mount.detail}`);
  else if (!evidence.sshdActive) reasons.push('the partner sshd is not running');
  if (mount.helperProblem !== null && mount.health !== 'maintenance') {
    reasons.push(`${mount.helperProblem}: a dead tunnel would stay dead, and certificates end within hours`);
  }
  for (const loop of loops) if (!loop.alive) reasons.push(`the ${loop.name} loop is stuck`);
  if (accounts.lastSuccessAt === null) reasons.push('the accounts have not been synced yet');
  else if (now - accounts.lastSuccessAt > Math.max(SYNCS_MISSED * pollMs, LEAST_SYNC_AGE_MS)) {
    reasons.push(`the accounts were last synced ${Math.round((now - accounts.lastSuccessAt) / 1000)} s ago`);
  }
  if (sessionLog.state === 'silent') {
    const by = uploads.witness.state === 'watching' ? 'by the witness alone, approximately' : 'by nobody';
    reasons.push(
      `MetricsDegraded: sessions’ lines do not come out of their chroots; uploads are counted ${by}`,
    );
  }
  if (!uploads.following) reasons.push('the log of uploads is not being read');
  return reasons;
}
