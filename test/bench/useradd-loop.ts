import type { Bed } from '../bed/boot.ts';

/** Enough that a process's start and the page cache's first misses don't count. */
const SAMPLE = 100;

/**
 * What a loop of useradd takes for each user, on a host as it is now. It is the yardstick for the first sync: the
 * account alone, with neither keys nor directories, and without the home and subordinate uids that useradd would add.
 * @param label makes the names of this sample its own
 * @returns seconds for each user
 */
export async function useraddSeconds(bed: Bed, label: string): Promise<number> {
  const script =
    'i=0; while [ $i -lt "$2" ]; do useradd -M -d / -s /sbin/nologin -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 ' +
    '-- "$1$i" || exit 1; i=$((i + 1)); done';
  const began = performance.now();
  await bed.run(['sh', '-c', script, 'sh', label, String(SAMPLE)], { timeoutMs: 300_000 });
  return (performance.now() - began) / 1000 / SAMPLE;
}
