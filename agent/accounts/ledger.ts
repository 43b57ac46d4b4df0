import { randomBytes } from 'node:crypto';
import { rename } from 'node:fs/promises';
import { readFileIfExists, writeFileDurable } from '../os/files.ts';
import type { PastRemoval } from './guard.ts';
import type { LedgerUser } from './ledger-user.ts';

export interface Ledger {
  readonly users: Map<string, LedgerUser>;
  /** ms since 1970 of the last whole read and apply. */
  lastSuccessAt: number | null;
  /** Users whose removal waits for approval. */
  held: readonly string[];
  /** Removals of the last day that went ahead without one. */
  recent: readonly PastRemoval[];
}

const VERSION = 1;

/**
 * Reads the ledger of owned accounts. One that is damaged is put aside, never overwritten: accounts that carry the
 * agent's marks are then taken over again, as their secrets name them or don't.
 * @returns the ledger, and where the damaged one was put
 * @throws OperationError where it exists and can't be read
 */
export async function readLedger(path: string): Promise<{ ledger: Ledger; damaged: string | null }> {
  const empty = (): Ledger => ({ users: new Map(), lastSuccessAt: null, held: [], recent: [] });
  const text = await readFileIfExists(path);
  if (text === undefined) return { ledger: empty(), damaged: null };
  const ledger = parseLedger(text);
  if (ledger) return { ledger, damaged: null };
  // A name of its own: one that was put aside before may be all that tells what was.
  const aside = `${path}.damaged-${randomBytes(4).toString('hex')}`;
  await rename(path, aside);
  return { ledger: empty(), damaged: aside };
}

interface LedgerFile {
  readonly version?: unknown;
  readonly users?: unknown;
  readonly lastSuccessAt?: number | null;
  readonly held?: unknown;
  readonly recent?: unknown;
}

function parseLedger(text: string): Ledger | undefined {
  try {
    // Root's own file, written whole or not at all: its shape is checked only so far as to tell damage.
    const file = JSON.parse(text) as LedgerFile;
    if (file.version !== VERSION || !Array.isArray(file.users)) return undefined;
    const users = file.users as LedgerUser[];
    const isWhole = users.every(
      (user) =>
        typeof user.name === 'string' && Number.isInteger(user.uid) && Array.isArray(user.partner.keys),
    );
    if (!isWhole) return undefined;
    return {
      users: new Map(users.map((user) => [user.name, { ...user, live: shared(user) }])),
      lastSuccessAt: file.lastSuccessAt ?? null,
      held: Array.isArray(file.held) ? (file.held as string[]) : [],
      recent: Array.isArray(file.recent) ? (file.recent as PastRemoval[]) : [],
    };
  } catch {
    return undefined;
  }
}

/** A fingerprint is in memory once, though it is in the file twice. */
function shared({ live, partner }: LedgerUser): readonly string[] {
  return live.map((one) => partner.keys.find(({ fingerprint }) => fingerprint === one)?.fingerprint ?? one);
}

/** Writes the ledger so that a crash leaves the old one or the new. @throws OperationError */
export async function writeLedger(path: string, ledger: Ledger): Promise<void> {
  await writeFileDurable(path, pieces(ledger), { mode: 0o600 });
}

/** Users to a piece: ten thousand with three long keys each would be 30 MB in one. */
const PIECE = 100;

/** One user to a line, for people who look. */
function* pieces({ users, ...rest }: Ledger): Generator<string> {
  yield `${JSON.stringify({ version: VERSION, ...rest }).slice(0, -1)},"users":[`;
  let lines: string[] = [];
  let separator = '\n';
  for (const user of users.values()) {
    lines.push(JSON.stringify(user));
    if (lines.length < PIECE) continue;
    yield separator + lines.join(',\n');
    separator = ',\n';
    lines = [];
  }
  if (lines.length > 0) yield separator + lines.join(',\n');
  yield '\n]}\n';
}
