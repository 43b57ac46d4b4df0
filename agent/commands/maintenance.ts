import { ask } from './control-client.ts';
import type { Output } from './output.ts';

/**
 * `s3files-sftp maintenance on|off`: while it is on, partners are refused and an absent mount is left alone.
 * @returns the exit status: 1 where it is on and partners are not refused yet, so that `&& umount` does not go on
 */
export async function maintenance(options: { on: boolean; json: boolean }, output: Output): Promise<number> {
  const report = await ask('maintenance', { on: options.on });
  const isSo = !options.on || report.refused;
  if (options.json) output.print(JSON.stringify(report, undefined, 2));
  else if (!options.on) output.print('maintenance is off: the mount is being checked');
  else if (isSo) output.print('maintenance is on: partners are refused');
  else {
    output.print(
      'maintenance is on, but the partner sshd still runs: see systemctl status s3files-sftp-sshd',
    );
  }
  return isSo ? 0 : 1;
}
