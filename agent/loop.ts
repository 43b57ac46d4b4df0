import type { Log } from './log.ts';
import { OperationError } from './operation-error.ts';

export interface LoopOptions {
  readonly name: string;
  /** Rest between the end of one tick and the start of the next, in ms. */
  readonly periodMs: () => number;
  /** The period counts from the start of the tick before instead, of which a long one leaves at least half as a rest. */
  readonly fromStart?: boolean;
  /** Rest after the nth failure in a row doubles from the period up to this. */
  readonly maxBackoffMs: number | (() => number);
  /** Longest that one tick may take; past it the loop counts as stuck and the watchdog is not fed. */
  readonly deadlineMs: number;
  readonly tick: (signal: AbortSignal) => Promise<void>;
}

export interface LoopEdges {
  /** Milliseconds of a clock that never steps. */
  readonly monotonicMs: () => number;
  readonly random: () => number;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface Loop {
  readonly name: string;
  /** False once a tick has run past its deadline, or the next one is overdue. */
  isAlive(): boolean;
  /** Ticks now, or right after the tick under way. */
  wake(): void;
  /** Ticks now, and gives what `read` finds when that tick has ended. @throws what the tick threw */
  run<T>(read: () => T): Promise<T>;
  /** Settles after the signal was aborted and the tick under way has ended. */
  readonly ended: Promise<void>;
}

/** Up to 10 % less, so that many hosts don't call AWS in step; never more, since people rely on the period. */
const JITTER = 0.1;

/** Runs ticks one after another, never two at once, backing off while they fail. */
export function startLoop(options: LoopOptions, edges: LoopEdges): Loop {
  /** When the tick under way, or the rest after the last one, began. */
  let since = edges.monotonicMs();
  let restMs = 0;
  let failures = 0;
  let woken = false;
  let endRest: (() => void) | undefined;
  let waiting: Array<(failure: unknown) => void> = [];

  const rest = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(done, ms);
      function done() {
        clearTimeout(timer);
        endRest = undefined;
        edges.signal.removeEventListener('abort', done);
        resolve();
      }
      endRest = done;
      edges.signal.addEventListener('abort', done, { once: true });
    });

  const wake = () => {
    woken = true;
    endRest?.();
  };

  const run = async () => {
    while (!edges.signal.aborted) {
      woken = false;
      restMs = 0;
      since = edges.monotonicMs();
      const askers = waiting;
      waiting = [];
      let failure: unknown;
      try {
        await options.tick(edges.signal);
        failures = 0;
      } catch (cause) {
        failure = cause ?? new OperationError({ op: 'run', target: options.name });
      }
      for (const tell of askers) tell(failure);
      if (failure !== undefined) {
        const cause = failure;
        if (edges.signal.aborted) break;
        failures += 1;
        const err =
          cause instanceof Error ? cause : new OperationError({ op: 'run', target: options.name }, cause);
        edges.log.error(
          { err, loop: options.name, failures },
          `${options.name} failed; it will be tried again`,
        );
      }
      const tookMs = edges.monotonicMs() - since;
      since = edges.monotonicMs();
      restMs = restAfter(options, failures, tookMs) * (1 - JITTER * edges.random());
      if (!woken && !edges.signal.aborted) await rest(restMs);
    }
  };

  return {
    name: options.name,
    isAlive: () => edges.monotonicMs() - since <= restMs + options.deadlineMs,
    wake,
    run: (read) =>
      new Promise((resolve, reject) => {
        waiting.push((failure) => (failure === undefined ? resolve(read()) : reject(failure)));
        wake();
      }),
    ended: run(),
  };
}

/**
 * The rest in ms after a tick.
 * @param failures how many failed in a row
 * @param tookMs how long the tick took
 */
export function restAfter(
  options: Pick<LoopOptions, 'periodMs' | 'maxBackoffMs' | 'fromStart'>,
  failures: number,
  tookMs: number,
): number {
  const period = options.periodMs();
  const usual = options.fromStart ? Math.max(period - tookMs, period / 2) : period;
  if (failures === 0) return usual;
  const { maxBackoffMs } = options;
  const most = typeof maxBackoffMs === 'number' ? maxBackoffMs : maxBackoffMs();
  return Math.max(usual, Math.min(most, period * 2 ** (failures - 1)));
}
