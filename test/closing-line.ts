import type { Reporter, TestModule } from 'vitest/node';

/** Ends a run with one plain line that a person, or a program, can look for: `12 passed, 0 failed`. */
class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandled.length, skipped: 0 };
    for (const module of modules) {
      if (!module.ok() && module.children.size === 0) count.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state !== 'pending') count[state] += 1;
      }
    }
    const skipped = count.skipped === 0 ? '' : `, ${count.skipped} skipped`;
    // After the default reporter's summary, which is written in the same turn.
    setTimeout(() => process.stdout.write(`\n${count.passed} passed, ${count.failed} failed${skipped}\n`));
  }
}

// biome-ignore lint/style/noDefaultExport: vitest loads reporters by their default export
export default ClosingLine;
