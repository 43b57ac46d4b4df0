import { CONFIG_PATH } from './config.ts';
import type { AgentStatus } from './status.ts';
import { type Evidence, reasonsAgainst } from './verdict.ts';
import { VERSION } from './version.ts';

/** What the rooms report at one moment. */
export interface Reports extends Evidence, Pick<AgentStatus, 'metrics' | 'startedAt' | 'at'> {
  readonly configProblem: string | null;
  readonly needsRestart: readonly string[];
}

/** The agent's whole state, with the verdict on it. @param pollMs the period of the account sync */
export function statusOf(reports: Reports, pollMs: number): AgentStatus {
  const { mount, accounts, uploads, sessionLog, metrics, loops, startedAt, at } = reports;
  const reasons = reasonsAgainst(reports, at, pollMs);
  return {
    version: VERSION,
    pid: process.pid,
    startedAt,
    at,
    state: reasons.length === 0 ? 'healthy' : 'degraded',
    reasons,
    mount,
    accounts,
    uploads,
    sessionLog,
    metrics,
    config: { path: CONFIG_PATH, problem: reports.configProblem, needsRestart: reports.needsRestart },
    loops,
    residentBytes: process.memoryUsage.rss(),
  };
}
