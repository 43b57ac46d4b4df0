import type { Exec } from '../os/exec.ts';

/** systemd's catalogue of messages (sd-messages.h): a job begins to stop, begins to start, has started a unit. */
const STOPPING = 'de5b426a63be47a7b6ac3eaac82e2f6f';
const STARTING = '7d4958e842da4a758f6c1cdc7b36dcc5';
const STARTED = '39f53479d3a045ac8e11786248231fbf';

/**
 * Whether the mount is absent because somebody stopped its unit (`systemctl stop home-sftp.mount`), rather than by a
 * fault or a bare `umount`. PID 1 writes a "stopping" message for stop jobs only, and the agent never stops the unit
 * itself, so the newest message about a job of this unit tells. The unit's own properties can't: an inactive unit is
 * unloaded, and forgets. A message of an earlier boot means nothing: every shutdown stops every mount.
 * @returns false also when the journal can't be read: a mount that is missing for no known reason is brought back
 */
export async function wasStoppedByHand(exec: Exec, unit: string): Promise<boolean> {
  const [job, newest] = await Promise.all([
    newestMessage(exec, [`UNIT=${unit}`, ...[STOPPING, STARTING, STARTED].map((id) => `MESSAGE_ID=${id}`)]),
    // Not --boot: in a sandbox inside a container, that reads the boot id of another machine.
    newestMessage(exec, []),
  ]);
  return job !== undefined && job.messageId === STOPPING && job.bootId === newest?.bootId;
}

interface Message {
  readonly messageId: string | undefined;
  readonly bootId: string;
}

/** The newest message of PID 1 that matches. */
async function newestMessage(exec: Exec, matches: readonly string[]): Promise<Message | undefined> {
  const result = await exec(
    [
      'journalctl',
      ...['--quiet', '--no-pager', '--lines=1', '--output=json', '--output-fields=MESSAGE_ID'],
      ...['_PID=1', ...matches],
    ],
    { timeoutMs: 5_000 },
  );
  if (result.outcome !== 'exited' || result.code !== 0) return undefined;
  try {
    const message: unknown = JSON.parse(result.stdout);
    if (typeof message !== 'object' || message === null || !('_BOOT_ID' in message)) return undefined;
    const messageId = 'MESSAGE_ID' in message ? String(message.MESSAGE_ID) : undefined;
    return { messageId, bootId: String(message._BOOT_ID) };
  } catch {
    return undefined;
  }
}
