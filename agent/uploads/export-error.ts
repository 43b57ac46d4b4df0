import type { Config } from '../config.ts';
import type { Edges } from '../os/edges.ts';
import type { Outstanding } from './state.ts';

const TIMEOUT_MS = 3_000;

/**
 * Reads why S3 Files could not export a file, from the extended attribute that the mount shows for it.
 * The file is on the mount, so a child reads it; while one hangs there, no other is started.
 * @returns the error's name such as `S3AccessDenied`, or null: none, or getfattr(1) is missing, or the mount hangs
 */
export function createExportErrorReader(
  config: () => Config,
  edges: Pick<Edges, 'exec'>,
): (item: Outstanding) => Promise<string | null> {
  let stuck = false;
  return async (item) => {
    if (stuck) return null;
    const path = `${config().mount.path}/${item.user}${item.path}`;
    const result = await edges.exec(
      [
        'getfattr',
        '--no-dereference',
        '--absolute-names',
        '--dump',
        '--match=^user\\.s3files\\.',
        '--',
        path,
      ],
      { timeoutMs: TIMEOUT_MS, maxOutputBytes: 16_384 },
    );
    if (result.outcome === 'timeout') {
      stuck = true;
      void result.reaped.then(() => {
        stuck = false;
      });
      return null;
    }
    return result.outcome === 'exited' ? exportErrorOf(result.stdout) : null;
  };
}

/** @param dump the output of `getfattr --dump`: the attribute's value is text with `ExportError` and its name */
export function exportErrorOf(dump: string): string | null {
  return /ExportError[\\"'\s:=]+([A-Za-z0-9]{1,64})/.exec(dump)?.[1] ?? null;
}
