import { setTimeout as sleep } from 'node:timers/promises';
import type { Edges } from '../os/edges.ts';
import type { Argv } from '../os/exec.ts';
import type { Follower } from '../os/follow.ts';
import { isForeign, isNotAfter, mayFollowSkipped, type Position } from './cursor.ts';
import { JOURNAL_FIELDS, type JournalLine, journalLineOf } from './journal-line.ts';

/** The partner sshd's own journal, so that no rate limit and no other service's lines come between. */
export const JOURNAL_NAMESPACE = 's3files-sftp';

/** Past so many lines that nobody took yet, journalctl is held back; it goes on when most are taken. */
const MOST_WAITING = 8_000;
const RESUME_BELOW = 2_000;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;
const SETTLED_MS = 1_000;

export interface JournalReader {
  /** The next lines in order, at most `limit`. A gap stands before the line that follows it. */
  take(limit: number): readonly Reading[];
  /** Settles when there are lines to take, or after `ms`. */
  wait(ms: number): Promise<void>;
  /** When the last line came in, by the clock that never steps, in ms. */
  lastArrivalMs(): number;
  /** Whether lines wait to be taken, or can't come: journalctl is held back, or does not run. */
  isBehind(): boolean;
  /** Why no lines can be read now, or null. */
  problem(): string | null;
  stop(): void;
}

export type Reading =
  | { readonly kind: 'line'; readonly line: JournalLine }
  | { readonly kind: 'gap'; readonly reason: string };

export interface JournalOptions {
  readonly namespace: string;
  /** The last line that is counted in; null to begin with lines that are younger than `sinceMs`. */
  readonly position: Position | null;
  readonly sinceMs: number;
}

/**
 * Follows a journal, across restarts of journalctl and journald, rotation and vacuuming. The reading resumes *at* the
 * last line, not after it: `--after-cursor` skips one line too many when the cursor's own line has been vacuumed
 * (journalctl.c, sd_journal_next_skip), and only so can a vacuumed line be noticed.
 */
export function followJournal(
  options: JournalOptions,
  edges: Pick<Edges, 'follow' | 'monotonicMs' | 'signal'>,
): JournalReader {
  let waiting: string[] = [];
  let taken = 0;
  let position = options.position;
  /** The cursor that the next line is expected to repeat. */
  let expected: string | null = null;
  /** That line came: what follows it and is not known to be older is new, whatever the wall clocks say. */
  let repeated = false;
  /** Until a new line comes, lines that are no newer than this were read before. */
  let resumedAt: Position | null = null;
  let seekFails = false;
  let pendingGap: string | null = null;
  let problem: string | null = null;
  let lastArrival = edges.monotonicMs();
  let child: Follower | undefined;
  let startedAt = edges.monotonicMs();
  let paused = false;
  let stopped = false;
  let wake: (() => void) | undefined;
  let drained: (() => void) | undefined;

  const onLine = (text: string) => {
    waiting.push(text);
    problem = null;
    lastArrival = edges.monotonicMs();
    if (!paused && waiting.length - taken > MOST_WAITING) {
      paused = true;
      child?.pause();
    }
    wake?.();
  };

  const run = async () => {
    let backoff = FIRST_BACKOFF_MS;
    while (!stopped) {
      let lastError = '';
      startedAt = edges.monotonicMs();
      // A journalctl that has just begun is silent, and the journal may be full.
      lastArrival = startedAt;
      child = edges.follow(argvFor(), {
        onLine,
        onErrorLine: (text) => {
          lastError = text;
        },
      });
      const ending = await child.ended;
      child = undefined;
      if (stopped) return;
      problem = `journalctl ended: ${lastError || ending}`;
      paused = false;
      // The new child starts where the old one's lines end, so those must be taken first.
      await drain();
      if (/seek to cursor|invalid cursor/i.test(lastError) && position !== null) seekFails = true;
      backoff =
        edges.monotonicMs() - startedAt > 10_000 ? FIRST_BACKOFF_MS : Math.min(MAX_BACKOFF_MS, backoff * 2);
      await sleep(backoff, undefined, { signal: edges.signal }).catch(() => {});
    }
  };

  const argvFor = (): Argv => {
    expected = null;
    repeated = false;
    resumedAt = position;
    if (position === null)
      return argv(options.namespace, [`--since=@${(options.sinceMs / 1000).toFixed(3)}`]);
    if (!seekFails) {
      expected = position.cursor;
      return argv(options.namespace, [`--cursor=${position.cursor}`]);
    }
    pendingGap = 'the journal could not be searched for the last line read; it is read on by time';
    seekFails = false;
    return argv(options.namespace, [`--since=@${(position.at / 1000).toFixed(3)}`]);
  };

  const drain = () =>
    new Promise<void>((resolve) => {
      if (taken >= waiting.length) resolve();
      else drained = resolve;
    });

  const read = (text: string, out: Reading[]) => {
    const line = journalLineOf(text);
    if (line === undefined) return;
    if (line.cursor === expected) {
      expected = null;
      repeated = true;
    }
    if (resumedAt !== null) {
      if (!(repeated && isForeign(line, resumedAt)) && isNotAfter(line, resumedAt)) return;
      if (mayFollowSkipped(line, resumedAt))
        pendingGap = 'the clock was set back across a reboot; lines dated before the last one read are lost';
    }
    resumedAt = null;
    if (expected !== null)
      pendingGap = 'the journal no longer holds the last line read, nor perhaps lines after it';
    expected = null;
    if (pendingGap !== null) out.push({ kind: 'gap', reason: pendingGap });
    pendingGap = null;
    position = { cursor: line.cursor, at: line.at };
    out.push({ kind: 'line', line });
  };

  void run();

  return {
    take: (limit) => {
      const out: Reading[] = [];
      const end = Math.min(waiting.length, taken + limit);
      for (; taken < end; taken += 1) read(waiting[taken] ?? '', out);
      if (taken === waiting.length) {
        waiting = [];
        taken = 0;
        drained?.();
      }
      if (paused && waiting.length - taken < RESUME_BELOW) {
        paused = false;
        child?.resume();
      }
      return out;
    },
    wait: (ms) =>
      new Promise((resolve) => {
        if (taken < waiting.length || stopped) return resolve();
        const timer = setTimeout(done, ms);
        function done() {
          clearTimeout(timer);
          wake = undefined;
          edges.signal.removeEventListener('abort', done);
          resolve();
        }
        wake = done;
        edges.signal.addEventListener('abort', done, { once: true });
      }),
    lastArrivalMs: () => lastArrival,
    isBehind: () => taken < waiting.length || paused || child === undefined,
    // A child that has lived for a while reads, even if there is nothing to read.
    problem: () => (child !== undefined && edges.monotonicMs() - startedAt > SETTLED_MS ? null : problem),
    stop: () => {
      stopped = true;
      child?.stop();
    },
  };
}

/** journald's own lines are read as well: they tell when it dropped some. */
function argv(namespace: string, from: readonly string[]): Argv {
  const identifiers = ['internal-sftp', 'sshd', 'sshd-session', 'systemd-journald'];
  return [
    'journalctl',
    `--namespace=${namespace}`,
    '--follow',
    // --follow alone reads only this boot's lines (journalctl.c, parse_argv): uploads that ended just before a reboot
    // would never be counted.
    '--merge',
    '--no-tail',
    '--quiet',
    '--output=json',
    '--all',
    `--output-fields=${JOURNAL_FIELDS}`,
    ...identifiers.map((identifier) => `--identifier=${identifier}`),
    ...from,
  ];
}

const LOSS = /^(Suppressed|Missed) (\d+) (?:kernel )?messages/;

/** @returns how many lines journald says that it lost, or undefined for any other line */
export function lossOf(line: JournalLine): number | undefined {
  if (line.identifier !== 'systemd-journald' || line.uid !== 0) return undefined;
  const match = LOSS.exec(line.message);
  return match === null ? undefined : Number(match[2]);
}
