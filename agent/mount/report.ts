import type { Belief, Health } from './health.ts';
import { faultOf, isSuspect } from './health.ts';
import type { Sight } from './identity.ts';
import type { RecoveryState } from './recovery.ts';

/** Who wants the mount to be left alone: `s3files-sftp maintenance on`, or a stop job of the mount unit. */
export type Maintenance = 'operator' | 'unit-stopped';

/** Everything that the mount's state in words depends on. */
export interface Circumstances {
  readonly path: string;
  readonly unit: string;
  readonly fileSystemId: string;
  readonly sight: Sight | undefined;
  readonly belief: Belief;
  readonly recovery: RecoveryState;
  readonly serving: boolean;
  /** Why the partner sshd did not start, though the mount is proven. */
  readonly serveProblem: string | undefined;
  readonly maintenance: Maintenance | undefined;
  /** Whether the partner sshd is stopped for certain. */
  readonly refused: boolean;
  /** Why the last probe never came to the mount. */
  readonly probeProblem: string | undefined;
}

export interface HealthInWords {
  readonly health: Health;
  readonly detail: string;
  readonly hint?: string;
}

export interface MountReport extends HealthInWords {
  readonly health: Health;
  /** Since when, in ms since 1970. */
  readonly since: number;
  /** Whether the partner sshd was started on this mount and not stopped since. */
  readonly serving: boolean;
  /** Whether the partner sshd is stopped for certain; neither of both while it is being started or stopped. */
  readonly refused: boolean;
  /** When the next attempt to bring it back begins, in ms since 1970. */
  readonly nextAttemptAt: number | null;
  readonly recoveries: number;
  readonly lastRecoverySeconds: number | null;
  /** Probes that were killed and still hang in the kernel. */
  readonly probesStuck: number;
  /** What is wrong with the mount helper's own watchdog; it is started again. */
  readonly helperProblem: string | null;
}

/** The mount's state in one word and one sentence, and what to do about it. */
export function describeHealth(now: Circumstances): HealthInWords {
  const { belief, recovery, unit } = now;
  if (now.maintenance === 'operator') {
    const detail = now.refused ? 'maintenance is on' : 'maintenance is on; the partner sshd is being stopped';
    return { health: 'maintenance', detail, hint: 's3files-sftp maintenance off' };
  }
  if (now.maintenance === 'unit-stopped') {
    return {
      health: 'maintenance',
      detail: `somebody stopped ${unit}, so it is left alone`,
      hint: `systemctl start ${unit}, or s3files-sftp maintenance off`,
    };
  }
  const found = belief.finding?.detail ?? now.probeProblem ?? 'it is being proven';
  if (belief.verdict === 'none') return describeProven(now, found);
  const fault = faultOf(belief);
  const { diagnosis, attempt } = recovery;
  if (recovery.nextAttemptMs !== undefined) {
    return { health: 'failed', ...(diagnosis ?? { detail: found }) };
  }
  const hint = diagnosis === undefined ? {} : { hint: diagnosis.hint };
  if (fault !== undefined && !attempt.done.has('mount')) return { health: fault, detail: found, ...hint };
  if (attempt.done.size === 0 && isSuspect(belief)) return { health: 'suspect', detail: found };
  return { health: 'recovering', ...(diagnosis ?? { detail: found }) };
}

function describeProven(now: Circumstances, found: string): HealthInWords {
  if (isSuspect(now.belief)) return { health: 'suspect', detail: found };
  if (now.serving && now.probeProblem !== undefined) {
    const hint = 'the mount is not blamed: see journalctl -u s3files-sftp-agent, and systemctl status';
    return { health: 'suspect', detail: `it can’t be probed: ${now.probeProblem}`, hint };
  }
  if (now.serving) {
    const port = now.sight?.kind === 'ours' ? ` on port ${now.sight.port}` : '';
    return { health: 'healthy', detail: `${now.fileSystemId} is mounted on ${now.path}${port}` };
  }
  if (now.serveProblem === undefined) {
    return { health: 'recovering', detail: 'it is proven; the partner sshd starts' };
  }
  return {
    health: 'recovering',
    detail: `the partner sshd does not start: ${now.serveProblem}`,
    hint: 'journalctl -u s3files-sftp-sshd, and journalctl --namespace=s3files-sftp',
  };
}
