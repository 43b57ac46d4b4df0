import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { codeOf } from '../operation-error.ts';
import type { Outcome } from './outcome.ts';
import type { Fold, Partners } from './session-of.ts';
import { endSession } from './sessions.ts';
import type { Session } from './state.ts';

/** A session's last lines may still be on their way when its process is gone already. In ms. */
const LINES_ON_THEIR_WAY_MS = 2_000;
/** A pid is given to another process only after all others were; looking once in a while costs less than each time. */
const LOOK_MS = 5_000;

export interface Vanishing {
  /**
   * Ends sessions whose process is gone and whose closing line did not come: a killed internal-sftp writes none.
   * @param clock how far the journal is known, in ms since 1970
   * @param now wall clock
   */
  end(fold: Fold, clock: number, now: number, partners: Partners, out: Outcome[]): void;
}

/** What is asked about processes; tests answer for them. */
export interface ProcessTable {
  exists(pid: number): boolean;
  /** When it began, in clock ticks since boot: with the pid, it names one process. Undefined when it can't be read. */
  startTicks(pid: number): number | undefined;
}

export function createVanishing(processes: ProcessTable = PROC): Vanishing {
  const goneSince = new Map<number, number>();
  let lookedAt = Number.NEGATIVE_INFINITY;

  const isAlive = (session: Session, look: boolean): boolean => {
    if (!processes.exists(session.pid)) return false;
    if (!look && session.startTicks !== null) return true;
    const ticks = processes.startTicks(session.pid);
    if (session.startTicks === null && ticks !== undefined && isYounger(ticks, session)) return false;
    session.startTicks ??= ticks ?? null;
    return ticks === undefined || ticks === session.startTicks;
  };

  return {
    end: (fold, clock, now, partners, out) => {
      for (const pid of goneSince.keys()) if (!fold.sessions.has(pid)) goneSince.delete(pid);
      // The wall clock may have been set back.
      const look = now - lookedAt >= LOOK_MS || now < lookedAt;
      if (look) lookedAt = now;
      for (const session of [...fold.sessions.values()]) {
        // Whoever was seen to be gone is not alive because its pid is somebody else's between two looks.
        if (isAlive(session, look || goneSince.has(session.pid))) {
          goneSince.delete(session.pid);
          continue;
        }
        const since = goneSince.get(session.pid) ?? now;
        goneSince.set(session.pid, since);
        if (clock - since >= LINES_ON_THEIR_WAY_MS) endSession(fold, session, session.lastAt, partners, out);
      }
    },
  };
}

/** What began after a session's first line is another process; the pid was given out anew before the agent looked. */
function isYounger(ticks: number, { heardMs }: Session): boolean {
  return heardMs !== null && ticks * TICK_MS - suspendedMs() > heardMs + START_SLACK_MS;
}

/** proc_pid_stat(5), field 22, is in units of sysconf(_SC_CLK_TCK), which is 100 a second on every Linux of today. */
const TICK_MS = 10;
const START_SLACK_MS = 2_000;

/** A process's start is told by a clock that runs on while the host sleeps, a line's time by one that does not. */
function suspendedMs(): number {
  return Math.max(0, uptime() * 1000 - Number(process.hrtime.bigint() / 1_000_000n));
}

const PROC: ProcessTable = {
  exists: (pid) => {
    try {
      // Signal 0 asks only (kill(2)); it costs less than reading /proc, and works in a sandbox.
      process.kill(pid, 0);
      return true;
    } catch (cause) {
      return codeOf(cause) !== 'ESRCH';
    }
  },
  startTicks: (pid) => {
    try {
      // proc_pid_stat(5): the name stands in brackets and may hold anything; field 22 is the 20th after it.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    } catch {
      return undefined;
    }
  },
};
