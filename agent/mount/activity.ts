import type { Log } from '../log.ts';
import { messageOf } from '../operation-error.ts';

/** A step that may take longer than a tick should: one at a time. */
export interface Activity {
  /** Begins it, and waits a moment: most steps take milliseconds, and a later tick finds the rest done. Never fails. */
  begin(step: Promise<void>): Promise<void>;
  isUnderWay(): boolean;
  /** Waits a moment for the one under way. */
  settle(): Promise<void>;
  /** All is well: the same failure would be news again. */
  forgetFailure(): void;
}

/** @param patienceMs how long that moment is */
export function createActivity(log: Pick<Log, 'error'>, patienceMs: number): Activity {
  let underWay: Promise<void> | undefined;
  /** A sshd that can’t start is tried every two seconds, and told once until it does. */
  let toldFailure: string | undefined;

  const settle = async () => {
    if (underWay === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patienceMs);
    });
    await Promise.race([underWay, patience]);
    clearTimeout(timer);
  };

  return {
    begin: async (step) => {
      underWay = step
        .catch((cause: unknown) => {
          const failure = messageOf(cause);
          if (failure !== toldFailure) log.error({ err: cause }, 'a step of the mount watch failed');
          toldFailure = failure;
        })
        .finally(() => {
          underWay = undefined;
        });
      await settle();
    },
    isUnderWay: () => underWay !== undefined,
    settle,
    forgetFailure: () => {
      toldFailure = undefined;
    },
  };
}
