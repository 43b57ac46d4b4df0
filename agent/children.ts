import { writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { text } from 'node:stream/consumers';
import type { WriteProbeReport } from './mount/probe-outcome.ts';
import { OperationError } from './operation-error.ts';

/** The commands that the agent starts of itself: to face the mount in a process that can be killed, or to log in. */
export type ChildCommand = 'log-probe' | 'mount-directories' | 'mount-probe' | 'witness';

/**
 * Runs one of them: the mount point is its argument, requests come on standard input, answers go to standard output.
 * @returns the exit status
 * @throws OperationError without a mount point
 */
export async function runChild(command: ChildCommand, args: readonly string[]): Promise<number> {
  switch (command) {
    case 'log-probe': {
      const { runLogProbe } = await import('./host/log-probe-login.ts');
      return await runLogProbe();
    }
    case 'witness': {
      const { runWitness } = await import('./uploads/witness.ts');
      return await runWitness(args);
    }
    case 'mount-directories': {
      const mountPoint = mountPointOf(command, args);
      const { mountDirectoriesCommand } = await import('./accounts/mount-directories.ts');
      process.stdout.write(mountDirectoriesCommand(await text(process.stdin), mountPoint));
      return 0;
    }
    case 'mount-probe': {
      const { probeWrites } = await import('./mount/write-probe.ts');
      // At once, whatever the mount does then.
      writeSync(process.stdout.fd, `${JSON.stringify({ step: 'begun' } satisfies WriteProbeReport)}\n`);
      process.stdout.write(JSON.stringify(probeWrites(mountPointOf(command, args), hostname())));
      return 0;
    }
  }
}

function mountPointOf(command: ChildCommand, [mountPoint]: readonly string[]): string {
  if (mountPoint !== undefined) return mountPoint;
  throw new OperationError({ op: 'run', target: command }, 'no mount point given');
}
