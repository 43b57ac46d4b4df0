import { codeOf } from '../operation-error.ts';
import type { Outcome } from './outcome.ts';
import type { Fold, Partners } from './session-of.ts';
import { endSession } from './sessions.ts';

/** A session's last lines may still be on their way when its process is gone already. In ms. */
const LINES_ON_THEIR_WAY_MS = 2_000;

export interface Vanishing {
  /**
   * Ends sessions whose process is gone and whose closing line did not come: a killed internal-sftp writes none.
   * @param clock how far the journal is known, in ms since 1970
   * @param now wall clock
   */
  end(fold: Fold, clock: number, now: number, partners: Partners, out: Outcome[]): void;
}

/** @param isAlive whether a process of this pid exists; tests answer for it */
export function createVanishing(isAlive: (pid: number) => boolean = processExists): Vanishing {
  const goneSince = new Map<number, number>();
  return {
    end: (fold, clock, now, partners, out) => {
      for (const pid of goneSince.keys()) if (!fold.sessions.has(pid)) goneSince.delete(pid);
      for (const session of [...fold.sessions.values()]) {
        if (isAlive(session.pid)) {
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

function processExists(pid: number): boolean {
  try {
    // Signal 0 asks only (kill(2)); it costs less than reading /proc, and works in a sandbox.
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return codeOf(cause) !== 'ESRCH';
  }
}
