import { type Loop, type LoopEdges, type LoopOptions, startLoop } from './loop.ts';
import type { LoopReport } from './status.ts';

/** The agent's loops together. */
export interface LoopSet {
  start(options: LoopOptions): Loop;
  /** Which of them are alive, and of the other work that was named; what isn't keeps the watchdog from being fed. */
  alive(): LoopReport[];
  /** Lets every loop tick now: the configuration has changed. */
  wake(): void;
  /** Settles when all have ended. */
  ended(): Promise<unknown>;
}

/** @param others work that is no loop, by name, and whether it is alive */
export function createLoopSet(edges: LoopEdges, others: Readonly<Record<string, () => boolean>>): LoopSet {
  const loops: Loop[] = [];
  return {
    start: (options) => {
      const loop = startLoop(options, edges);
      loops.push(loop);
      return loop;
    },
    alive: () => [
      ...loops.map((loop) => ({ name: loop.name, alive: loop.isAlive() })),
      ...Object.entries(others).map(([name, isAlive]) => ({ name, alive: isAlive() })),
    ],
    wake: () => {
      for (const loop of loops) loop.wake();
    },
    ended: () => Promise.all(loops.map((loop) => loop.ended)),
  };
}
