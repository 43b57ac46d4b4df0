import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { Exec } from '../os/exec.ts';
import { ensureDirectory, writeFileIfChanged } from '../os/files.ts';
import { daemonReload } from '../os/systemd.ts';
import { mountUnitName } from '../os/unit-name.ts';

/**
 * The helper tries three times, 15 s each and the last without bound, so systemd must leave it that long. It is also
 * how long an unmount at shutdown may take.
 */
const MOUNT_TIMEOUT_SECONDS = 300;

/** Takes a dead mount away at shutdown. */
const UNMOUNT_UNIT = 's3files-sftp-unmount.service';

/** Names the mount to the unit that takes it away at shutdown, which is stopped before it. */
export function renderUnmountDropIn(path: string): string {
  return `# Rendered by s3files-sftp-agent from /etc/s3files-sftp/config.toml; changes here are lost.
[Unit]
After=${mountUnitName(path)}

[Service]
Environment=MOUNT_POINT=${path}
`;
}

/**
 * Renders the mount unit (systemd.mount(5)). Through it the helper's tunnel lives in the unit's own cgroup, so it
 * outlives the agent. Type s3files, never efs; the port stays random, since a fixed one blocks remounts.
 */
export function renderMountUnit({ file_system_id, path, options }: Config['mount']): string {
  return `# Rendered by s3files-sftp-agent from /etc/s3files-sftp/config.toml; changes here are lost.
[Unit]
Description=S3 Files file system of s3files-sftp
Documentation=man:s3files-sftp(8)
# The agent does the resting between attempts.
StartLimitIntervalSec=0
Wants=${UNMOUNT_UNIT}

[Mount]
What=${file_system_id}:/
Where=${path}
Type=s3files
Options=${['_netdev', 'noatime', ...options].join(',')}
TimeoutSec=${MOUNT_TIMEOUT_SECONDS}
`;
}

/**
 * Writes the mount unit, and what names the mount to the unit that takes it away at shutdown, where they are new or
 * changed, and makes systemd read them.
 * @param directory where systemd looks for units
 * @returns whether it was changed @throws OperationError
 */
export async function ensureMountUnit(
  mount: Config['mount'],
  directory: string,
  exec: Exec,
): Promise<boolean> {
  const dropIns = join(directory, `${UNMOUNT_UNIT}.d`);
  await ensureDirectory(directory);
  await ensureDirectory(dropIns);
  const files: ReadonlyArray<readonly [path: string, text: string]> = [
    [join(dropIns, 'mount.conf'), renderUnmountDropIn(mount.path)],
    [join(directory, mountUnitName(mount.path)), renderMountUnit(mount)],
  ];
  let changed = false;
  for (const [path, text] of files) {
    if (await writeFileIfChanged(path, text, { mode: 0o644 })) changed = true;
  }
  if (changed) await daemonReload(exec);
  return changed;
}
