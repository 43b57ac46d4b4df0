import type { LogLine } from './evidence.ts';
import { pathsOf } from './step.ts';
import type { Doubt, Truth } from './truth.ts';
import type { Told } from './verdict.ts';

/** All clients run on the bed's own machine. */
const ADDRESS = '127.0.0.1';
const OPERATIONS: readonly unknown[] = ['DELETE', 'RENAME', 'MKDIR', 'RMDIR', 'CREATE_SYMLINK', 'ERROR'];

/** How an operation that the log tells is named in the truth, or undefined for a line that tells of none. */
export function operationOf(line: LogLine): string | undefined {
  const type = line['activity-type'];
  const key = `${String(type)} ${String(line.user)}${String(line.path)}`;
  if (type === 'CLOSE') return 'bytes-out' in line ? `${key} ${String(line['bytes-out'])}` : undefined;
  if (!OPERATIONS.includes(type)) return undefined;
  if (type === 'RENAME') return `${key} ${String(line['new-path'])}`;
  return type === 'ERROR' ? `${key} ${String(line.operation)}` : key;
}

/**
 * What the log tells and nobody did: operations that the truth does not account for, save where a step is in doubt;
 * and alarms, for which a storm gives no cause.
 */
export function judgeInvented(truth: Truth, told: readonly Told[], lines: readonly LogLine[]): string[] {
  const left = countOf(truth.operations.map(({ what }) => what));
  const ids = new Set<unknown>(told.map(({ id }) => id));
  return lines.flatMap((line) => {
    const operation = operationOf(line);
    if (operation !== undefined) {
      const count = left.get(operation) ?? 0;
      left.set(operation, count - 1);
      if (count > 0 || isFirstWrite(truth, line) || truth.doubts.some((doubt) => touches(doubt, line)))
        return [];
      return [`told, but nobody did it: ${JSON.stringify(line)}`];
    }
    if ('upload-id' in line && !ids.has(line['upload-id']))
      return [`about an upload that is not told: ${JSON.stringify(line)}`];
    return isAlarm(line) ? [`an alarm without a cause: ${JSON.stringify(line)}`] : [];
  });
}

/** A write that fails half-way has a status and no other line; right after the opening, it looks like that one's. */
function isFirstWrite({ uploads }: Truth, line: LogLine): boolean {
  if (line.operation !== 'open' || line.status !== 'Failure') return false;
  return uploads.some(
    ({ kind, user, path }) => kind === 'partial' && user === line.user && path === line.path,
  );
}

function countOf(operations: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const each of operations) counts.set(each, (counts.get(each) ?? 0) + 1);
  return counts;
}

function touches({ user, step }: Doubt, line: LogLine): boolean {
  const paths = ('path' in step ? [...pathsOf(step), step.path] : pathsOf(step)).map(unquoted);
  const named = [line.path, line['new-path']].flatMap((path) =>
    typeof path === 'string' ? [unquoted(path)] : [],
  );
  return line.user === user && named.some((path) => paths.includes(path));
}

/** Late, or unheard of: the deadline outlasts a storm, and what it does is in the log. */
function isAlarm(line: LogLine): boolean {
  return /\.(undelivered|given-up)$/.test(String(line['event-id'])) || line['activity-type'] === 'UNKNOWN';
}

/** Each stretch of the log that was lost is told, and no other. */
export function judgeGaps({ gaps }: Truth, lines: readonly LogLine[]): string[] {
  const told = lines.filter((line) => String(line['event-id']).endsWith('.gap'));
  return told.length === gaps ? [] : [`${gaps} gaps in the log, but told: ${JSON.stringify(told)}`];
}

/** Each upload tells from where it came, and names a session of the same user that was opened. */
export function judgeOrigins(lines: readonly LogLine[]): string[] {
  const opened = new Map(
    lines.flatMap((line) =>
      line['activity-type'] === 'CONNECTED' ? [[line['session-id'], line.user] as const] : [],
    ),
  );
  return lines.flatMap((line) => {
    if (!('bytes-in' in line)) return [];
    const isKnown = line['source-ip'] === ADDRESS && opened.get(line['session-id']) === line.user;
    return isKnown ? [] : [`from nowhere: ${JSON.stringify(line)}`];
  });
}

/** OpenSSH's sftp asks for a pattern as it was typed, with its backslashes, where nothing is found that it matches. */
function unquoted(path: string): string {
  return path.replaceAll('\\', '');
}
