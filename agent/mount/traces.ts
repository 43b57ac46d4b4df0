import type { Exec } from '../os/exec.ts';
import { showUnit } from '../os/systemd.ts';
import type { Traces } from './diagnose.ts';

/** Where amazon-efs-utils writes (LOG_FILE). */
const HELPER_LOG = '/var/log/amazon/efs/mount.log';
const LINES = '40';

/**
 * Gathers what a failed mount attempt left behind. Never fails: a trace that can't be read is left out.
 * @param since start of the attempt, in ms since 1970
 */
export async function gatherTraces(exec: Exec, unit: string, since: number): Promise<Traces> {
  const [journal, log, state] = await Promise.all([
    exec(
      [
        'journalctl',
        '--no-pager',
        '--output=cat',
        `--lines=${LINES}`,
        `--since=@${(since / 1000).toFixed(3)}`,
        `_SYSTEMD_UNIT=${unit}`,
      ],
      { timeoutMs: 5_000 },
    ),
    exec(['tail', `--lines=${LINES}`, HELPER_LOG], { timeoutMs: 2_000 }),
    showUnit(exec, unit, ['Result']).catch(() => ({ Result: 'unknown' })),
  ]);
  const text = (result: Awaited<ReturnType<Exec>>): string[] =>
    result.outcome === 'exited' && result.code === 0 ? result.stdout.split('\n') : [];
  const recent = text(log).filter((line) => isSince(line, since));
  return { lines: [...text(journal), ...recent], unitResult: state.Result };
}

/** A line of mount.log begins with its time in UTC; the file keeps those of attempts long past. */
function isSince(line: string, since: number): boolean {
  const time = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})\b/.exec(line);
  if (time === null) return false;
  // Its clock has whole seconds.
  return Date.parse(`${time[1]}T${time[2]}Z`) >= since - 1_000;
}
