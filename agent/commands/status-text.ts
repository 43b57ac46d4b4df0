import type { AgentStatus } from '../status.ts';
import { ago } from './output.ts';

/** The agent writes its status every second; one much older was left by an agent that is dead or stuck. */
export const STALE_MS = 10_000;

/** More would scroll the state away; `--json` has all of them. */
const PROBLEMS_SHOWN = 20;

/** One line: what STATUS= shows in `systemctl status`. */
export function summary(status: AgentStatus): string {
  const [first] = status.reasons;
  const counts = `${status.accounts.active} users, ${status.uploads.completed} uploads`;
  if (first === undefined) return `${status.state}; ${counts}`;
  const { serving, hint, nextAttemptAt } = status.mount;
  const todo = serving || hint === undefined ? '' : ` → ${hint}`;
  // A moment, not a span: this line stands until the next change.
  const next =
    nextAttemptAt === null ? '' : `; next attempt at ${new Date(nextAttemptAt).toISOString().slice(11, 19)}Z`;
  return `${status.state}: ${first}${todo}${next}; ${counts}`;
}

/** The table for people: the state and its reasons on top, then each room. */
export function render(status: AgentStatus, now: number): string {
  const sections: ReadonlyArray<readonly [title: string, lines: readonly string[]]> = [
    ['state', [stateOf(status, now), ...status.reasons.map((reason) => `- ${reason}`)]],
    ['mount', mountOf(status, now)],
    ['accounts', accountsOf(status, now)],
    ['uploads', uploadsOf(status)],
    ['metrics', metricsOf(status, now)],
    ['config', configOf(status)],
    [
      'agent',
      [`${status.version}, pid ${status.pid}, up since ${ago(status.startedAt, now)}, ${megabytes(status)}`],
    ],
  ];
  return sections
    .flatMap(([title, lines]) => lines.map((line, i) => `${(i === 0 ? title : '').padEnd(10)}${line}`))
    .join('\n');
}

function stateOf(status: AgentStatus, now: number): string {
  if (now - status.at <= STALE_MS) return status.state;
  return `${status.state} — NOT RUNNING: last word ${ago(status.at, now)}`;
}

function mountOf({ mount }: AgentStatus, now: number): string[] {
  const lines = [
    `${mount.health} since ${ago(mount.since, now)}; partners ${mount.serving ? 'served' : 'REFUSED'}`,
  ];
  if (!mount.serving && mount.hint !== undefined) lines.push(`→ ${mount.hint}`);
  if (mount.nextAttemptAt !== null) {
    const seconds = Math.max(0, Math.round((mount.nextAttemptAt - now) / 1000));
    lines.push(`next attempt to bring it back in ${seconds} s`);
  }
  if (mount.helperProblem !== null) lines.push(`- ${mount.helperProblem}; it is started again`);
  const { probesStuck: stuck } = mount;
  if (stuck > 0)
    lines.push(`${stuck} probe${stuck === 1 ? ' hangs' : 's hang'} in the kernel, on it or one before it`);
  if (mount.lastRecoverySeconds !== null) {
    lines.push(`recovered ${mount.recoveries} times, last in ${mount.lastRecoverySeconds.toFixed(1)} s`);
  }
  return lines;
}

function accountsOf({ accounts }: AgentStatus, now: number): string[] {
  const { active, lastSuccessAt, problems, heldPlan } = accounts;
  const lines = [`${active} can log in; last whole sync ${ago(lastSuccessAt, now)}`];
  for (const { user, secret, problem } of problems.slice(0, PROBLEMS_SHOWN)) {
    lines.push(`- ${user ?? secret ?? 'sync'}: ${problem}`);
  }
  const hidden = problems.length - PROBLEMS_SHOWN;
  if (hidden > 0) lines.push(`… and ${hidden} more: s3files-sftp status --json`);
  if (heldPlan !== null)
    lines.push(`HELD: ${heldPlan.removals.length} removals: s3files-sftp sync --approve ${heldPlan.hash}`);
  return lines;
}

function uploadsOf({ uploads, sessionLog }: AgentStatus): string[] {
  const { completed, partial, outstanding, undelivered, following } = uploads;
  const counts = `${completed} whole, ${partial} partial; ${outstanding} on their way, ${undelivered} undelivered`;
  const lines = following ? [counts] : [counts, 'the log is NOT being read: what happened since is unknown'];
  if (sessionLog.state === 'silent')
    lines.push('sessions’ lines are NOT heard: the witness counts, approximately');
  if (uploads.approximate > 0) lines.push(`${uploads.approximate} of the whole ones are approximate`);
  if (uploads.gaps > 0) lines.push(`${uploads.gaps} gaps in the log: what happened in them is unknown`);
  const { unknownArrivals } = uploads.witness;
  if (unknownArrivals > 0) lines.push(`${unknownArrivals} files arrived that the log does not know`);
  return lines;
}

function metricsOf({ metrics }: AgentStatus, now: number): string[] {
  const published = `published ${ago(metrics.lastPublishedAt, now)}`;
  return metrics.problem === null ? [published] : [published, `- ${metrics.problem}`];
}

function configOf({ config }: AgentStatus): string[] {
  const lines = config.needsRestart.map((section) => `${section}: takes effect after a restart`);
  if (config.problem !== null) lines.unshift(`REFUSED: ${config.problem}; the old one stays in force`);
  return lines;
}

const megabytes = ({ residentBytes }: AgentStatus): string => `${(residentBytes / 1e6).toFixed(0)} MB`;
