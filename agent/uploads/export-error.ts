import type { Config } from '../config.ts';
import type { Edges } from '../os/edges.ts';
import { guardedArgv } from '../os/transient.ts';
import type { Outstanding } from './state.ts';

const DEADLINE_SECONDS = 3;
/** Starting the unit takes its time on a busy host. */
const TIMEOUT_MS = 6_000;
/** When very many are overdue at once, the others go without it: their reason is the same. */
const MOST_WAITING = 4;

/**
 * Reads why S3 Files could not export a file, from the extended attribute that the mount shows for it.
 * The file is on the mount, so a child reads it, where links are not followed: whoever can write the bucket can plant
 * them in the place of directories. One at a time; while one hangs there, no other is started.
 * @returns the error's name such as `S3AccessDenied`, or null: none, or getfattr(1) is missing, or the mount hangs
 */
export function createExportErrorReader(
  config: () => Config,
  edges: Pick<Edges, 'exec'>,
): (item: Outstanding) => Promise<string | null> {
  let stuck = false;
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();

  const read = async (item: Outstanding): Promise<string | null> => {
    if (stuck) return null;
    const path = `${config().mount.path}/${item.user}${item.path}`;
    const names = ['--no-dereference', '--absolute-names', '--dump', '--match=^user\\.s3files\\.'] as const;
    const argv = guardedArgv(config().mount.path, ['getfattr', ...names, '--', path], DEADLINE_SECONDS);
    const result = await edges.exec(argv, { timeoutMs: TIMEOUT_MS, maxOutputBytes: 16_384 });
    if (result.outcome === 'timeout') {
      stuck = true;
      void result.reaped.then(() => {
        stuck = false;
      });
      return null;
    }
    return result.outcome === 'exited' ? exportErrorOf(result.stdout) : null;
  };

  return async (item) => {
    if (waiting >= MOST_WAITING) return null;
    waiting += 1;
    const turn = last.then(() => read(item));
    last = turn.catch(() => {});
    return await turn.finally(() => {
      waiting -= 1;
    });
  };
}

/** @param dump the output of `getfattr --dump`: the attribute's value is text with `ExportError` and its name */
export function exportErrorOf(dump: string): string | null {
  return /ExportError[\\"'\s:=]+([A-Za-z0-9]{1,64})/.exec(dump)?.[1] ?? null;
}
