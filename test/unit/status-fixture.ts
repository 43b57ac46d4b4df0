import type { AgentStatus } from '../../agent/status.ts';

const AT = Date.UTC(2026, 0, 31, 3, 0, 0);

/** A healthy agent's status at three in the morning. */
export const STATUS: AgentStatus = {
  version: '0.1.0',
  pid: 4711,
  startedAt: AT - 3_600_000,
  at: AT,
  state: 'healthy',
  reasons: [],
  mount: {
    health: 'healthy',
    since: AT - 3_600_000,
    serving: true,
    detail: 'answers',
    nextAttemptAt: null,
    recoveries: 0,
    lastRecoverySeconds: null,
    probesStuck: 0,
    helperProblem: null,
  },
  accounts: {
    lastSuccessAt: AT - 30_000,
    active: 12,
    preparing: 0,
    waiting: 0,
    held: 0,
    problems: [],
    heldPlan: null,
  },
  uploads: {
    following: true,
    completed: 200,
    partial: 1,
    bytes: 1_000_000,
    outstanding: 3,
    undelivered: 0,
    delivered: 197,
    superseded: 0,
    gaps: 0,
    sessions: 2,
    unknown: 0,
    readUpTo: AT - 500,
    problems: [],
    witness: { state: 'off', unknownArrivals: 0, problem: null },
  },
  metrics: { lastPublishedAt: AT - 20_000, pendingBatches: 0, problem: null },
  config: { path: '/etc/s3files-sftp/config.toml', problem: null, needsRestart: [] },
  loops: [{ name: 'mount', alive: true }],
  residentBytes: 80_000_000,
};
