import type { Exec } from '../os/exec.ts';

/** systemd's catalogue of messages (sd-messages.h): a job begins to stop, has ended a stop, begins to start, has started. */
const STOPPING = 'de5b426a63be47a7b6ac3eaac82e2f6f';
const STOPPED = '9d1aaa27d60140bd96365438aad20286';
const STARTING = '7d4958e842da4a758f6c1cdc7b36dcc5';
const STARTED = '39f53479d3a045ac8e11786248231fbf';
const JOBS = [STOPPING, STOPPED, STARTING, STARTED];

/**
 * Whether the mount is absent because somebody stopped its unit (`systemctl stop home-sftp.mount`), rather than by a
 * fault or a bare `umount`. PID 1 writes these messages for jobs only, and the agent never stops the unit itself, so
 * the newest message about a job of this unit tells. A stop that failed, since a shell sat in the mount, say, took
 * nothing away; one that was done means nothing any more once something was mounted there again without a job. The
 * unit's own properties can't tell: an inactive unit is unloaded, and forgets. A message of an earlier boot means
 * nothing: every shutdown stops every mount.
 * @param mountedAt when something was last seen mounted there, in ms since 1970
 * @returns false also when the journal can't be read: a mount that is missing for no known reason is brought back
 */
export async function wasStoppedByHand(
  exec: Exec,
  unit: string,
  mountedAt: number | undefined,
): Promise<boolean> {
  const [job, newest] = await Promise.all([
    newestMessage(exec, [`UNIT=${unit}`, ...JOBS.map((id) => `MESSAGE_ID=${id}`)]),
    // Not --boot: in a sandbox inside a container, that reads the boot id of another machine.
    newestMessage(exec, []),
  ]);
  if (job === undefined || job.bootId !== newest?.bootId) return false;
  // It is under way: while it writes what is not written yet, the mount is still seen.
  if (job.messageId === STOPPING) return true;
  if (job.messageId !== STOPPED || job.result !== 'done') return false;
  return mountedAt === undefined || job.at > mountedAt;
}

interface Message {
  readonly messageId: string | undefined;
  readonly bootId: string;
  /** How the job ended: `done`, `failed`, … */
  readonly result: string | undefined;
  /** In ms since 1970. */
  readonly at: number;
}

/** The newest message of PID 1 that matches. */
async function newestMessage(exec: Exec, matches: readonly string[]): Promise<Message | undefined> {
  const result = await exec(
    [
      'journalctl',
      ...['--quiet', '--no-pager', '--lines=1', '--output=json', '--output-fields=MESSAGE_ID,JOB_RESULT'],
      ...['_PID=1', ...matches],
    ],
    { timeoutMs: 5_000 },
  );
  if (result.outcome !== 'exited' || result.code !== 0) return undefined;
  try {
    const message: unknown = JSON.parse(result.stdout);
    if (typeof message !== 'object' || message === null || !('_BOOT_ID' in message)) return undefined;
    const field = (key: string): string | undefined =>
      Object.hasOwn(message, key) ? String(Reflect.get(message, key)) : undefined;
    return {
      messageId: field('MESSAGE_ID'),
      bootId: String(message._BOOT_ID),
      result: field('JOB_RESULT'),
      // Always there, in µs.
      at: Number(field('__REALTIME_TIMESTAMP')) / 1000,
    };
  } catch {
    return undefined;
  }
}
