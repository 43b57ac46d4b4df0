/** Lets many at their work, until somebody needs all of them to pause. */
export interface Gate {
  /** Does the work, once the gate is open. */
  pass<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when all who passed are done; nobody passes until `open`. */
  close(): Promise<void>;
  open(): void;
}

export function createGate(): Gate {
  let inside = 0;
  let opened: Promise<void> | undefined;
  let open = () => {};
  let emptied = () => {};
  return {
    pass: async (work) => {
      while (opened !== undefined) await opened;
      inside += 1;
      try {
        return await work();
      } finally {
        inside -= 1;
        if (inside === 0) emptied();
      }
    },
    close: async () => {
      opened = new Promise((resolve) => {
        open = () => {
          opened = undefined;
          resolve();
        };
      });
      if (inside > 0)
        await new Promise<void>((resolve) => {
          emptied = resolve;
        });
    },
    open: () => open(),
  };
}
