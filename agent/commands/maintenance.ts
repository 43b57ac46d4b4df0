import { ask } from './control-client.ts';
import type { Output } from './output.ts';

/** `s3files-sftp maintenance on|off`: while it is on, partners are refused and an absent mount is left alone. */
export async function maintenance(options: { on: boolean; json: boolean }, output: Output): Promise<number> {
  const report = await ask('maintenance', { on: options.on });
  if (options.json) output.print(JSON.stringify(report, undefined, 2));
  else
    output.print(
      options.on
        ? 'maintenance is on: partners are refused'
        : 'maintenance is off: the mount is being checked',
    );
  return 0;
}
