import { setTimeout as sleep } from 'node:timers/promises';
import { FAULTS } from './faults.ts';
import type { SystemHost } from './host.ts';
import type { Load } from './loads.ts';

/** One shutdown of the host, from the command to the last instruction. */
export interface Shutdown {
  readonly title: string;
  readonly seconds: number;
  /** Within what systemd itself allows a service by default, 90 s, and no more than so much over a healthy host. */
  readonly passes: boolean;
}

/** A shutdown may take this much longer than that of a healthy host. */
const MARGIN_SECONDS = 45;
const GIVE_UP_SECONDS = 300;

const CASES: ReadonlyArray<
  readonly [title: string, load: Load, inject: string | undefined, waitSeconds: number]
> = [
  ['all well, nobody connected', 'idle', undefined, 0],
  ['uploads in flight, server killed a moment before', 'upload', FAULTS['server-killed'].inject, 1],
  ['uploads in flight, server stopped a moment before', 'upload', FAULTS['server-stopped'].inject, 1],
  ['uploads in flight, packets dropped for half a minute', 'upload', FAULTS['packets-dropped'].inject, 30],
  [
    'uploads in flight, server stopped, the agent killed',
    'upload',
    `${FAULTS['server-stopped'].inject}; systemctl stop s3files-sftp-agent`,
    1,
  ],
];

/** Switches the host off in several states, and measures how long it takes. */
export async function measureShutdowns(
  { vm }: SystemHost,
  say: (text: string) => void,
): Promise<readonly Shutdown[]> {
  const done: Shutdown[] = [];
  for (const [title, load, inject, waitSeconds] of CASES) {
    await vm.restart(load);
    if (inject !== undefined) await vm.exec(['sh', '-c', inject], { timeoutMs: 30_000 });
    await sleep(waitSeconds * 1000);
    const began = performance.now();
    void vm.exec(['systemctl', 'poweroff', '--no-block']).catch(() => {});
    const off = await Promise.race([
      vm.off().then(() => true),
      sleep(GIVE_UP_SECONDS * 1000, false, { ref: false }),
    ]);
    const seconds = Math.round((performance.now() - began) / 100) / 10;
    const baseline = done[0]?.seconds ?? seconds;
    done.push({ title, seconds, passes: off && seconds <= baseline + MARGIN_SECONDS });
    say(`shutdown, ${title}: ${off ? `${seconds} s` : `not within ${GIVE_UP_SECONDS} s`}`);
  }
  return done;
}
