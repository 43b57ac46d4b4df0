import { stat } from 'node:fs/promises';
import { messageOf } from '../operation-error.ts';
import type { Edges } from '../os/edges.ts';

/** Whether the lines of sessions come out of their chroots; `unproven` until a login has shown it either way. */
export type LogState = 'unproven' | 'heard' | 'silent';

export interface LogReport {
  readonly state: LogState;
  /** When the last login of the probe showed it, in ms since 1970. */
  readonly provenAt: number | null;
  /** Why no login could show anything, or null. */
  readonly problem: string | null;
}

export interface LogWatch {
  /** Probes when there is a reason to. Not while the sshd is down. */
  tick(): Promise<void>;
  /** Something arrived without a line: the next tick probes. */
  suspect(): void;
  report(): LogReport;
  /** When the last login that showed anything began, by the clock that never steps. */
  concludedMs(): number;
}

export interface LogWatchHooks {
  /** The process of the partner sshd, or undefined while it is down. */
  sshdPid(): string | undefined;
  /** Opens a session of the probe's. @returns why that failed, or null */
  login(): Promise<string | null>;
  /** When a line of the probe's sessions was last read, by the clock that never steps. */
  heardMs(): number;
  /** Whether the journal was read up to a moment: a login whose line waits there is not unheard. */
  hasRead(moment: { readonly at: number; readonly monotonicMs: number }): boolean;
  /** Mends what the host may lack. */
  arrange(): Promise<void>;
}

/** sshd, and what OpenSSH 9.8 and later start for each session, on Enterprise Linux and Debian. */
const BINARIES = [
  '/usr/sbin/sshd',
  '/usr/libexec/openssh/sshd-session',
  '/usr/lib/openssh/sshd-session',
] as const;
/** A line takes milliseconds; journald may stall, and the agent may be reading a long backlog. */
const PATIENCE_MS = 10_000;
const POLL_MS = 50;
/** While nothing is heard, or somebody suspects so. */
const RETRY_MS = 60_000;

/** Finds out by a login at start, and whenever sshd has changed, whether what sessions log is heard. */
export function createLogWatch(
  hooks: LogWatchHooks,
  edges: Pick<Edges, 'now' | 'monotonicMs' | 'log'> & { readonly sleep: (ms: number) => Promise<void> },
  signatureOf: () => Promise<string> = binaries,
): LogWatch {
  let state: LogState = 'unproven';
  let provenAt: number | null = null;
  let problem: string | null = null;
  let provenFor = '';
  let triedMs = Number.NEGATIVE_INFINITY;
  let concludedMs = Number.NEGATIVE_INFINITY;
  let suspected = false;

  const probe = async (): Promise<LogState | undefined> => {
    const began = edges.monotonicMs();
    const at = edges.now();
    problem = await hooks.login();
    if (problem !== null) return undefined;
    while (hooks.heardMs() < began && edges.monotonicMs() - began < PATIENCE_MS) await edges.sleep(POLL_MS);
    const found = hooks.heardMs() >= began ? 'heard' : 'silent';
    if (found === 'silent' && !hooks.hasRead({ at, monotonicMs: began })) {
      problem = 'the log is not read up to now: the line of the login may be among those that wait';
      return undefined;
    }
    concludedMs = began;
    provenAt = edges.now();
    return found;
  };

  const conclude = (next: LogState) => {
    if (next === 'silent' && state !== 'silent') {
      const hint = 's3files-sftp doctor; the audit log may tell of a refused connection to /dev/log';
      edges.log.error(
        { MetricsDegraded: true, hint },
        'sessions’ lines do not come out of their chroots: uploads are counted by the witness alone, approximately',
      );
    } else if (next === 'heard' && state === 'silent')
      edges.log.info(
        { MetricsDegraded: false },
        'sessions’ lines are heard again: uploads are counted exactly',
      );
    state = next;
  };

  return {
    tick: async () => {
      const pid = hooks.sshdPid();
      if (pid === undefined) return;
      const current = `${pid} ${await signatureOf()}`;
      const isKnown = state === 'heard' && current === provenFor && !suspected;
      const now = edges.monotonicMs();
      if (isKnown || (current === provenFor && now - triedMs < RETRY_MS)) return;
      provenFor = current;
      triedMs = now;
      suspected = false;
      let found = await probe();
      if (found === 'silent') {
        await hooks.arrange().catch((cause: unknown) => {
          problem = messageOf(cause);
        });
        found = (await probe()) ?? 'silent';
      }
      if (found !== undefined) return conclude(found);
      // What was found before was found of another sshd, or before somebody doubted it.
      suspected = true;
      if (hooks.sshdPid() === pid)
        edges.log.warn({ problem }, 'no login could show whether sessions’ lines arrive');
    },
    suspect: () => {
      suspected = true;
    },
    report: () => ({ state, provenAt, problem }),
    concludedMs: () => concludedMs,
  };
}

async function binaries(): Promise<string> {
  const stats = await Promise.all(BINARIES.map(async (path) => await stat(path).catch(() => undefined)));
  return stats
    .map((each) => (each === undefined ? '-' : `${each.ino}.${each.size}.${each.mtimeMs}`))
    .join(' ');
}
