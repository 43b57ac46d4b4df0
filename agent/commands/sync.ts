import { ask } from './control-client.ts';
import type { Output } from './output.ts';

/**
 * `s3files-sftp sync [--approve HASH]`: one pass over the accounts, now.
 * @returns the exit status: 0 all applied, 1 something is held or refused
 */
export async function sync(options: { approve?: string; json: boolean }, output: Output): Promise<number> {
  const report = await ask('sync', options.approve === undefined ? {} : { approve: options.approve });
  if (options.json) {
    output.print(JSON.stringify(report, undefined, 2));
  } else {
    output.print(`${report.active} accounts can log in`);
    if (report.preparing > 0) output.print(`${report.preparing} more follow with the next pass, at once`);
    if (report.waiting > 0) output.print(`${report.waiting} more wait for the mount`);
    for (const { user, secret, problem, hint } of report.problems) {
      output.print(`- ${user ?? secret ?? 'sync'}: ${problem}${hint === undefined ? '' : ` (${hint})`}`);
    }
    if (report.heldPlan !== null) {
      const { hash, removals } = report.heldPlan;
      if (options.approve !== undefined && options.approve !== hash)
        output.print(`not approved: ${options.approve} is not the plan that is held now`);
      output.print(`held: the removal of ${removals.length} accounts (${removals.slice(0, 20).join(', ')})`);
      output.print(`if that is what you want: s3files-sftp sync --approve ${hash}`);
    }
  }
  return report.held === 0 ? 0 : 1;
}
