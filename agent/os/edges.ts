import type { Log } from '../log.ts';
import type { Exec } from './exec.ts';
import type { Follow } from './follow.ts';

/** What the agent's parts may touch of the world, handed to them as one trailing argument; tests pass fakes. */
export interface Edges {
  readonly exec: Exec;
  readonly follow: Follow;
  /** Wall clock, in ms since 1970. */
  readonly now: () => number;
  /** A clock that never steps, in ms. */
  readonly monotonicMs: () => number;
  readonly random: () => number;
  readonly log: Log;
  /** Aborted when the agent is told to stop. */
  readonly signal: AbortSignal;
}
