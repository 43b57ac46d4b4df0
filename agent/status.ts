import type { AccountReport } from './accounts/sync.ts';
import type { LogReport } from './host/log-watch.ts';
import type { MountReport } from './mount/watch.ts';
import type { UploadReport } from './uploads/feed.ts';

export type { Plan } from './accounts/plan.ts';

/** Where the agent leaves its state for whoever asks while it is dead; world-readable, no secret in it. */
export const STATUS_PATH = '/run/s3files-sftp/status.json';
/** Where the agent takes commands; only root can open it. */
export const CONTROL_PATH = '/run/s3files-sftp/control.sock';

export interface LoopReport {
  readonly name: string;
  readonly alive: boolean;
}

/** The agent's whole state at one moment, as `status --json` prints it. Times are ms since 1970. */
export interface AgentStatus {
  readonly version: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly at: number;
  /** One word for everything: what `status --wait healthy` waits for. */
  readonly state: 'healthy' | 'degraded' | 'stopped';
  /** Each reason why the state is not healthy, most important first. */
  readonly reasons: readonly string[];
  readonly mount: MountReport;
  readonly accounts: AccountReport;
  readonly uploads: UploadReport;
  /** Whether what sessions log is heard: where it is not, uploads are counted by the witness alone. */
  readonly sessionLog: LogReport;
  readonly metrics: {
    readonly lastPublishedAt: number | null;
    readonly pendingBatches: number;
    readonly problem: string | null;
  };
  readonly config: {
    readonly path: string;
    readonly problem: string | null;
    readonly needsRestart: readonly string[];
  };
  readonly loops: readonly LoopReport[];
  /** Resident memory of the agent's main process. */
  readonly residentBytes: number;
}
