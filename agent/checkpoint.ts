import { rename } from 'node:fs/promises';
import type { Log } from './log.ts';
import type { BufferState } from './metrics/buffer-state.ts';
import { messageOf } from './operation-error.ts';
import { readBytesIfExists, writeFileDurable } from './os/files.ts';
import { type LoadedUploadState, loadUploadState, type UploadState } from './uploads/state.ts';

/**
 * What must survive the agent: how far the log was read, and the counts made from it. One file, replaced as a whole,
 * so that the journal's cursor and the counters can never disagree, whenever the agent is killed.
 */
export interface Checkpoint {
  readonly version: 1;
  readonly uploads: UploadState;
  readonly metrics: BufferState;
}

export interface LoadedCheckpoint {
  /** What each room left; undefined at the first start, and where the file could not be read. Each checks its own. */
  readonly uploads: unknown;
  readonly metrics: unknown;
  /** Why a file that exists was set aside; the reader must be told that counting begins anew. */
  readonly problem: string | undefined;
}

/**
 * Reads the checkpoint; one that is not readable is moved aside to `<path>.unreadable`.
 * @throws OperationError when the file exists and can't be read from the disk
 */
export async function loadCheckpoint(path: string): Promise<LoadedCheckpoint> {
  const bytes = await readBytesIfExists(path);
  if (bytes === undefined) return { uploads: undefined, metrics: undefined, problem: undefined };
  try {
    const { version, uploads, metrics } = parse(bytes);
    if (version !== 1) throw new TypeError(`it is of version ${String(version)}`);
    return { uploads, metrics, problem: undefined };
  } catch (cause) {
    await rename(path, `${path}.unreadable`);
    const problem = `${path} was unreadable (${messageOf(cause)}) and is set aside`;
    return { uploads: undefined, metrics: undefined, problem };
  }
}

/** Loads it, checks the uploads' part, and tells what could not be used; what was parsed is not kept: it can be 40 MB. */
export async function restoreCheckpoint(
  path: string,
  log: Log,
): Promise<{ uploads: LoadedUploadState; metrics: unknown }> {
  const { uploads, metrics, problem } = await loadCheckpoint(path);
  if (problem !== undefined) log.error({ problem }, 'counting begins anew');
  return { uploads: loadUploadState(uploads, Date.now()), metrics };
}

/** @throws OperationError; the old checkpoint is then still whole */
export async function saveCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  await writeFileDurable(path, pieces(checkpoint), { mode: 0o600 });
}

/** Of so many uploads on their way at once, each piece is some 150 kB. */
const ITEMS_A_PIECE = 500;

/**
 * The checkpoint's JSON, piece by piece: with 100,000 uploads on their way it is 28 MB, and as one string it is more
 * than the agent's heap has room for. Each piece has a line to itself, so that it can be read in the same way.
 */
function* pieces({ version, uploads, metrics }: Checkpoint): Generator<string> {
  const { outstanding, ...rest } = uploads;
  yield `{"version":${version},"metrics":${JSON.stringify(metrics)},"uploads":${JSON.stringify(rest).slice(0, -1)}`;
  yield ',"outstanding":[';
  for (let from = 0; from < outstanding.length; from += ITEMS_A_PIECE) {
    const items = JSON.stringify(outstanding.slice(from, from + ITEMS_A_PIECE)).slice(1, -1);
    yield from === 0 ? `\n${items}` : `,\n${items}`;
  }
  yield `\n${END}`;
}

const END = ']}}';

interface Parsed {
  readonly version?: unknown;
  readonly metrics?: unknown;
  readonly uploads?: unknown;
}

/** Reads the pieces, or JSON of one line. @throws SyntaxError, TypeError */
function parse(bytes: Buffer): Parsed {
  const lines = linesOf(bytes);
  const first = lines.next().value ?? '';
  if (!bytes.includes(0x0a)) return JSON.parse(first);
  const outstanding: unknown[] = [];
  let last = '';
  for (const line of lines) {
    if (line !== END) for (const item of JSON.parse(`[${line.replace(/,$/, '')}]`)) outstanding.push(item);
    last = line;
  }
  if (last !== END) throw new SyntaxError('its end is missing');
  const { version, metrics, uploads } = JSON.parse(first + END);
  return { version, metrics, uploads: { ...uploads, outstanding } };
}

/** JSON has no line feed inside a string, so neither can a name break a line. */
function* linesOf(bytes: Buffer): Generator<string, undefined> {
  for (let from = 0; from < bytes.length; ) {
    const found = bytes.indexOf(0x0a, from);
    const end = found < 0 ? bytes.length : found;
    yield bytes.toString('utf8', from, end);
    from = end + 1;
  }
}
