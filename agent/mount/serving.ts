import { messageOf } from '../operation-error.ts';

/** Between two tries to start the partner sshd on a proven mount, in ms. */
const RETRY_MS = 2_000;

export interface ServingHooks {
  stopServing(): Promise<void>;
  /** @param proof of the mount that partners may be served on */
  startServing(proof: string): Promise<void>;
  recovered(seconds: number): void;
}

/** Whether partners are served, and for how long they were not. */
export interface Serving {
  /** Undefined until the first verdict: the partner sshd may run on from before the agent's start. */
  isServing(): boolean | undefined;
  /** Partners are refused from now on, by whatever: the sshd goes with its mount. */
  lost(): void;
  /** Stops the partner sshd. @throws OperationError; `needsStop` then stays true */
  stop(): Promise<void>;
  /** The sshd may still run though it should not. */
  needsStop(): boolean;
  /** Starts the partner sshd, unless a failure was too recent. @throws OperationError */
  start(proof: string): Promise<void>;
  /** Why the last start failed. */
  problem(): string | undefined;
  recoveries(): { readonly count: number; readonly lastSeconds: number | null };
}

export function createServing(hooks: ServingHooks, monotonicMs: () => number): Serving {
  let serving: boolean | undefined;
  let stopped = false;
  /** Since when partners are refused on a host that has served them. */
  let refusedSinceMs: number | undefined;
  let notBeforeMs = 0;
  let problem: string | undefined;
  let count = 0;
  let lastSeconds: number | null = null;

  const lost = () => {
    if (serving === true) refusedSinceMs ??= monotonicMs();
    serving = false;
  };
  return {
    isServing: () => serving,
    lost,
    stop: async () => {
      lost();
      stopped = false;
      await hooks.stopServing();
      stopped = true;
    },
    needsStop: () => serving !== false || !stopped,
    start: async (proof) => {
      if (serving === true || monotonicMs() < notBeforeMs) return;
      stopped = false;
      try {
        await hooks.startServing(proof);
      } catch (cause) {
        problem = messageOf(cause);
        notBeforeMs = monotonicMs() + RETRY_MS;
        throw cause;
      }
      serving = true;
      problem = undefined;
      if (refusedSinceMs === undefined) return;
      lastSeconds = (monotonicMs() - refusedSinceMs) / 1000;
      refusedSinceMs = undefined;
      count += 1;
      hooks.recovered(lastSeconds);
    },
    problem: () => problem,
    recoveries: () => ({ count, lastSeconds }),
  };
}
