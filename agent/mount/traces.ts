import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Exec } from '../os/exec.ts';
import { showUnit } from '../os/systemd.ts';
import { mountUnitName } from '../os/unit-name.ts';
import type { Traces } from './diagnose.ts';
import { LOG_DIRECTORY, tunnelLogPort } from './state-file.ts';

const HELPER_LOG = `${LOG_DIRECTORY}/mount.log`;
const LINES = '40';
const TUNNEL_LINES = '20';

/**
 * Gathers what a failed mount attempt left behind. Never fails: a trace that can't be read is left out.
 * @param path the mount point
 * @param since start of the attempt, in ms since 1970
 */
export async function gatherTraces(exec: Exec, path: string, since: number): Promise<Traces> {
  const unit = mountUnitName(path);
  const tunnelLog = await newestTunnelLog(path, since);
  const [journal, log, tunnel, state] = await Promise.all([
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
    tunnelLog === undefined
      ? undefined
      : exec(['tail', `--lines=${TUNNEL_LINES}`, tunnelLog], { timeoutMs: 2_000 }),
    showUnit(exec, unit, ['Result']).catch(() => ({ Result: 'unknown' })),
  ]);
  const text = (result: Awaited<ReturnType<Exec>> | undefined): string[] =>
    result?.outcome === 'exited' && result.code === 0 ? result.stdout.split('\n') : [];
  const recent = text(log).filter((line) => isSince(line, since));
  return { lines: [...text(tunnel), ...text(journal), ...recent], unitResult: state.Result };
}

/** The log of the attempt's own tunnel: each has a port of its own, so all its lines are of this attempt. */
async function newestTunnelLog(path: string, since: number): Promise<string | undefined> {
  const names: string[] = await readdir(LOG_DIRECTORY).catch(() => []);
  let newest: { readonly file: string; readonly mtimeMs: number } | undefined;
  for (const name of names.filter((each) => tunnelLogPort(each, path) !== undefined)) {
    const file = join(LOG_DIRECTORY, name);
    const mtimeMs = await stat(file).then(
      (found) => found.mtimeMs,
      () => 0,
    );
    if (mtimeMs >= since && mtimeMs >= (newest?.mtimeMs ?? 0)) newest = { file, mtimeMs };
  }
  return newest?.file;
}

/** A line of mount.log begins with its time in UTC; the file keeps those of attempts long past. */
function isSince(line: string, since: number): boolean {
  const time = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})\b/.exec(line);
  if (time === null) return false;
  // Its clock has whole seconds.
  return Date.parse(`${time[1]}T${time[2]}Z`) >= since - 1_000;
}
