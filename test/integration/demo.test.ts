import { expect, test } from 'vitest';
import { command } from '../bed/command.ts';

/** The README's first command: its checks are the main job's, so the tests run the very same story. */
test('npm run demo keeps every promise that it checks', { timeout: 600_000 }, async () => {
  const { code, stdout, stderr } = await command([process.execPath, 'test/demo/demo.ts'], {
    timeoutMs: 590_000,
  });
  expect(stdout.match(/^ +✗.*$/gm) ?? [], stderr).toEqual([]);
  expect(stdout).toMatch(/^\d+ promises kept, 0 broken/m);
  expect(code).toBe(0);
});
