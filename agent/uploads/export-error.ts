import type { FileQuestion } from './file-question.ts';
import type { Outstanding } from './state.ts';

/**
 * Reads why S3 Files could not export a file, from the extended attribute that the mount shows for it.
 * @returns the error's name such as `S3AccessDenied`, or null: none, or getfattr(1) is missing, or the mount hangs
 */
export async function readExportError(ask: FileQuestion, item: Outstanding): Promise<string | null> {
  const names = ['--no-dereference', '--absolute-names', '--dump', '--match=^user\\.s3files\\.'] as const;
  return await ask(item, (path) => ['getfattr', ...names, '--', path], exportErrorOf);
}

/** @param dump the output of `getfattr --dump`: the attribute's value is text with `ExportError` and its name */
export function exportErrorOf(dump: string): string | null {
  return /ExportError[\\"'\s:=]+([A-Za-z0-9]{1,64})/.exec(dump)?.[1] ?? null;
}
