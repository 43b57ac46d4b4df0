import { setTimeout as sleep } from 'node:timers/promises';
import { FAULTS } from './faults.ts';
import type { SystemHost } from './host.ts';
import type { Load } from './loads.ts';

/** One shutdown of the host, from the command to the last instruction. */
export interface Shutdown {
  readonly title: string;
  readonly seconds: number;
  /** Within what systemd itself allows a service by default, and no more than so much over a healthy host. */
  readonly passes: boolean;
}

/** DefaultTimeoutStopSec of systemd: what any one service may hold a shutdown up for. */
const LIMIT_SECONDS = 90;
/** A shutdown may take this much longer than that of a healthy host. */
const MARGIN_SECONDS = 45;
const GIVE_UP_SECONDS = 300;

/** @param off whether it came to its end at all @param healthySeconds what a healthy host took */
export function isUnblocked(off: boolean, seconds: number, healthySeconds: number): boolean {
  return off && seconds <= Math.min(LIMIT_SECONDS, healthySeconds + MARGIN_SECONDS);
}

const STOPPED = FAULTS['server-stopped'].inject;
const CASES: ReadonlyArray<
  readonly [title: string, load: Load, inject: string | undefined, waitSeconds: number]
> = [
  ['all well, nobody connected', 'idle', undefined, 0],
  ['uploads in flight, server killed a moment before', 'upload', FAULTS['server-killed'].inject, 1],
  ['uploads in flight, server stopped a moment before', 'upload', STOPPED, 1],
  ['uploads in flight, packets dropped for half a minute', 'upload', FAULTS['packets-dropped'].inject, 30],
  [
    'uploads in flight, server stopped, the agent stopped',
    'upload',
    `${STOPPED}; systemctl stop s3files-sftp-agent`,
    1,
  ],
  [
    // systemd starts it again within a second or two: it must not bring the mount back while the host goes.
    'uploads in flight, server stopped, the agent killed (SIGKILL) a moment before',
    'upload',
    `${STOPPED}; systemctl kill -s KILL s3files-sftp-agent`,
    1,
  ],
];

/** How many there are. */
export const SHUTDOWNS = CASES.length;

/** Switches the host off in several states, and measures how long it takes. */
export async function measureShutdowns(
  { vm }: SystemHost,
  say: (text: string) => void,
): Promise<readonly Shutdown[]> {
  const done: Shutdown[] = [];
  for (const [title, load, inject, waitSeconds] of CASES) {
    await vm.restart(load);
    if (inject !== undefined) await vm.run(['sh', '-c', inject], { timeoutMs: 30_000 });
    await sleep(waitSeconds * 1000);
    const began = performance.now();
    void vm.exec(['systemctl', 'poweroff', '--no-block']).catch(() => {});
    const off = await Promise.race([
      vm.off().then(() => true),
      sleep(GIVE_UP_SECONDS * 1000, false, { ref: false }),
    ]);
    const seconds = Math.round((performance.now() - began) / 100) / 10;
    done.push({ title, seconds, passes: isUnblocked(off, seconds, done[0]?.seconds ?? seconds) });
    say(`shutdown, ${title}: ${off ? `${seconds} s` : `not within ${GIVE_UP_SECONDS} s`}`);
  }
  return done;
}
