import { readFileIfExists, removeFileDurable, writeFileDurable } from '../os/files.ts';

/**
 * The operator's word that the mount is to be left alone. In /run: it outlives the agent, and ends with a reboot, since
 * a host that came up refusing everybody, because of a command long forgotten, would be worse.
 */
export const MAINTENANCE_FLAG = '/run/s3files-sftp/maintenance';

/** A flag that is set at once and written to its file at the next chance. */
export interface MaintenanceFlag {
  set(on: boolean): void;
  /** Reads the file the first time, writes what was set since. @returns the flag @throws OperationError */
  sync(): Promise<boolean>;
}

export function createMaintenanceFlag(path: string): MaintenanceFlag {
  let wanted: boolean | undefined;
  let written: boolean | undefined;
  return {
    set: (on) => {
      wanted = on;
    },
    sync: async () => {
      written ??= (await readFileIfExists(path)) !== undefined;
      const on = wanted ?? written;
      if (on !== written) {
        if (on) await writeFileDurable(path, '', { mode: 0o644 });
        else await removeFileDurable(path);
        written = on;
      }
      return wanted ?? on;
    },
  };
}
