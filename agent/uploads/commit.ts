import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../operation-error.ts';
import type { Edges } from '../os/edges.ts';
import type { Position } from './cursor.ts';
import type { Fold } from './session-of.ts';
import type { LogLine, Session, UploadState } from './state.ts';
import { type Effects, type Tally, takeEffects } from './tally.ts';

/** Lines in a burst share one durable write. */
const LEAST_REST_MS = 250;
/** Of the time, so much at most goes into writing: a long list of uploads on their way makes writes slow. */
const LARGEST_SHARE = 0.1;
const MOST_LINES = 2_000;
/** Without anything to count, the position alone is written this often: a restart then reads less again. */
const POSITION_REST_MS = 5_000;
const RETRY_MS = 1_000;

export interface Committer {
  /** This line and all before it are counted in. */
  reached(position: Position): void;
  /** Writes if there is something to write and the last write is long enough ago; waits for it. */
  commitIfDue(signal: AbortSignal): Promise<void>;
  /** Writes what there is, at the end. */
  commitNow(): Promise<void>;
  /** Writes at the very start, so that a crash before the first line leaves the beginning known. */
  begin(signal: AbortSignal): Promise<void>;
  /** Logs again what a crash kept from being logged. */
  redeliver(lines: readonly LogLine[], signal: AbortSignal): Promise<void>;
  problem(): string | null;
  lastAttemptMs(): number;
}

/**
 * Decides when the state is made durable. A line of the agent's log is written only after the state that holds it in
 * its outbox is on the disk: a crash in between leaves it in the outbox, a crash before leaves it in the journal.
 */
export function createCommitter(
  initial: Pick<UploadState, 'since' | 'position'>,
  fold: Fold,
  tally: Tally,
  commit: (state: UploadState, effects: Effects) => Promise<void>,
  edges: Pick<Edges, 'now' | 'monotonicMs' | 'log'>,
): Committer {
  let position = initial.position;
  let written = initial.position;
  let endedAt = edges.monotonicMs();
  let restMs = LEAST_REST_MS;
  let attemptedAt = edges.monotonicMs();
  let problem: string | null = null;

  const write = async (effects: Effects, signal: AbortSignal | undefined) => {
    const state = snapshot(initial.since, position, fold, tally, effects.lines, edges.now());
    const startedAt = edges.monotonicMs();
    let { counts } = effects;
    for (;;) {
      attemptedAt = edges.monotonicMs();
      try {
        await commit(state, { counts, lines: effects.lines });
        break;
      } catch (err) {
        if (problem === null)
          edges.log.error({ err }, 'uploads can’t be counted for now; they wait in the journal');
        problem = messageOf(err);
        counts = [];
        if (signal === undefined || signal.aborted) {
          // The next state, which holds the same counts, must have them in its outbox again.
          tally.effects = { ...tally.effects, lines: [...effects.lines, ...tally.effects.lines] };
          return;
        }
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
      }
    }
    problem = null;
    written = state.position;
    endedAt = edges.monotonicMs();
    restMs = Math.max(LEAST_REST_MS, (endedAt - startedAt) / LARGEST_SHARE);
  };

  return {
    reached: (reached) => {
      position = reached;
    },
    commitIfDue: async (signal) => {
      const { counts, lines } = tally.effects;
      const rested = edges.monotonicMs() - endedAt;
      const due =
        lines.length >= MOST_LINES ||
        (lines.length + counts.length > 0 && rested >= restMs) ||
        (position?.cursor !== written?.cursor && rested >= POSITION_REST_MS);
      if (due) await write(takeEffects(tally), signal);
    },
    commitNow: async () => {
      const { counts, lines } = tally.effects;
      if (counts.length + lines.length > 0 || position?.cursor !== written?.cursor)
        await write(takeEffects(tally), undefined);
    },
    begin: (signal) => write(takeEffects(tally), signal),
    redeliver: async (lines, signal) => {
      if (lines.length > 0) await write({ counts: [], lines: [...lines] }, signal);
    },
    problem: () => problem,
    lastAttemptMs: () => attemptedAt,
  };
}

/** A copy that later lines do not change. */
export function snapshot(
  since: number,
  position: Position | null,
  fold: Fold,
  tally: Tally,
  lines: readonly LogLine[],
  at: number,
): UploadState {
  return {
    version: 1,
    since,
    position,
    sessions: Array.from(fold.sessions.values(), copyOf),
    outstanding: [...tally.book.values()],
    outbox: { at, lines: [...lines] },
    totals: { ...tally.totals },
  };
}

function copyOf(session: Session): Session {
  return { ...session, handles: session.handles.map((each) => ({ ...each })), held: [...session.held] };
}
