import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * `npm test`: every test that this machine can run. The unit tests and those of the stack run anywhere; the
 * integration tests boot real hosts and need root on Linux. What is left out is said, and in CI is a failure.
 * Arguments go to vitest, such as `npm test -- test/unit/config.test.ts`.
 */

const ROOT = join(import.meta.dirname, '..');
const EXIT_LEFT_OUT = 1;

const bootable = process.platform === 'linux' && process.getuid?.() === 0;
const projects = ['unit', 'provision', ...(bootable ? ['integration'] : [])];

if (bootable) {
  run(process.execPath, ['test/bed/prepare.ts']);
} else {
  process.stderr.write(
    'LEFT OUT: the integration tests, which boot real hosts with systemd, sshd and a mount.\n' +
      'They need root on Linux (Debian 12 is known to work): sudo npm test\n\n',
  );
  if (process.env.CI) process.exit(EXIT_LEFT_OUT);
}

run(process.execPath, [
  'node_modules/vitest/vitest.mjs',
  'run',
  ...projects.flatMap((project) => ['--project', project]),
  '--reporter=default',
  '--reporter=./test/closing-line.ts',
  ...process.argv.slice(2),
]);

/** Runs one step in the foreground; its failure is this run's. */
function run(file: string, args: readonly string[]): void {
  const { status } = spawnSync(file, args, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
