/** Tells a story of steps and checks as it happens, and keeps the score. */
export interface Narrator {
  /** A chapter: its title, then whatever it checks, and how long it took. */
  step(title: string, run: () => Promise<void>): Promise<void>;
  /** One promise of the product's, kept or broken. */
  check(promise: string, kept: boolean, detail?: string): void;
  /** A figure that was measured, or what happens next. */
  note(text: string): void;
  /** How many promises were kept and broken. */
  score(): { readonly kept: number; readonly broken: number };
}

/** Something said after so long without a word, so that nobody wonders whether it still runs. */
const SILENCE_MS = 5_000;

export function createNarrator(write: (text: string) => void): Narrator {
  let chapter = 0;
  let kept = 0;
  let broken = 0;
  let lastWord = performance.now();
  const say = (text: string) => {
    lastWord = performance.now();
    write(`${text}\n`);
  };

  return {
    step: async (title, run) => {
      chapter += 1;
      const began = performance.now();
      say(`\n${chapter}. ${title}`);
      const timer = setInterval(() => {
        if (performance.now() - lastWord < SILENCE_MS) return;
        say(`   … still at it, ${((performance.now() - began) / 1000).toFixed(0)} s`);
      }, 1_000);
      try {
        await run();
      } finally {
        clearInterval(timer);
      }
      say(`   (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    },
    check: (promise, isKept, detail) => {
      if (isKept) kept += 1;
      else broken += 1;
      say(`   ${isKept ? '✓' : '✗ BROKEN:'} ${promise}${detail === undefined ? '' : ` (${detail})`}`);
    },
    note: (text) => say(`   ${text}`),
    score: () => ({ kept, broken }),
  };
}
