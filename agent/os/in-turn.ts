/** Runs what is asked for one after another, in the order of asking; a failure is its asker's alone. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

/** For work on one thing that different loops and commands ask for, and that must not cross. */
export function createInTurn(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work, work);
    last = turn.catch(() => {});
    return turn;
  };
}
