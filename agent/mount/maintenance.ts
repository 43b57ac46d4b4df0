import type { Log } from '../log.ts';
import { readFileIfExists, removeFileDurable, writeFileDurable } from '../os/files.ts';
import type { MountReport } from './report.ts';

/**
 * The operator's word that the mount is to be left alone. In /run: it outlives the agent, and ends with a reboot, since
 * a host that came up refusing everybody, because of a command long forgotten, would be worse.
 */
export const MAINTENANCE_FLAG = '/run/s3files-sftp/maintenance';

/** A flag that is set at once and written to its file at the next chance. */
export interface MaintenanceFlag {
  set(on: boolean): void;
  /**
   * Reads the file the first time, writes what was set since. A file that can't be read or written is told once, and
   * tried again the next time: what was set holds all the same. @returns the flag
   */
  sync(): Promise<boolean>;
}

export function createMaintenanceFlag(path: string, log: Pick<Log, 'error'>): MaintenanceFlag {
  let wanted: boolean | undefined;
  let written: boolean | undefined;
  let told = false;

  const write = async () => {
    written ??= (await readFileIfExists(path)) !== undefined;
    const on = wanted ?? written;
    if (on === written) return;
    if (on) await writeFileDurable(path, '', { mode: 0o644 });
    else await removeFileDurable(path);
    written = on;
  };

  return {
    set: (on) => {
      wanted = on;
    },
    sync: async () => {
      try {
        await write();
        told = false;
      } catch (cause) {
        const message = 'the flag of maintenance: what was ordered holds, but only until the agent ends';
        if (!told) log.error({ err: cause }, message);
        told = true;
      }
      return wanted ?? written ?? false;
    },
  };
}

/** A start of the partner sshd may be under way, and its stop takes up to ten seconds. */
const ORDER_MS = 40_000;
const ASK_MS = 250;

/**
 * Orders maintenance, and waits until it is so: whoever unmounts right after `maintenance on` must find no partner.
 * @param watch what is ordered to, with what makes it tick
 * @returns its report; where `refused` is false in spite of the order, the partner sshd still runs after 40 s
 */
export async function orderMaintenance(
  on: boolean,
  watch: {
    setMaintenance(on: boolean): void;
    report(): MountReport;
    tickNow(): Promise<unknown>;
  },
  { monotonicMs, sleep }: { monotonicMs: () => number; sleep: (ms: number) => Promise<void> },
): Promise<MountReport> {
  const untilMs = monotonicMs() + ORDER_MS;
  watch.setMaintenance(on);
  await watch.tickNow();
  while (on && !watch.report().refused && monotonicMs() < untilMs) {
    await sleep(ASK_MS);
    await watch.tickNow();
  }
  return watch.report();
}
