import { expect, it, onTestFinished } from 'vitest';
import type { Follow, FollowOptions } from '../../../agent/os/follow.ts';
import type { Position } from '../../../agent/uploads/cursor.ts';
import { followJournal, lossOf } from '../../../agent/uploads/journal.ts';
import { createJournal, T0 } from './journal-fixture.ts';

/** journalctl, played by the test: each start is recorded, lines are put in by hand. */
function fakeFollow() {
  const starts: {
    argv: readonly string[];
    options: FollowOptions;
    end: (how: string) => void;
    paused: boolean;
  }[] = [];
  const follow: Follow = (argv, options) => {
    let end: (how: string) => void = () => {};
    const ended = new Promise<string>((resolve) => {
      end = resolve;
    });
    const start = { argv, options, end, paused: false };
    starts.push(start);
    return {
      pid: 1,
      ended,
      write: () => {},
      pause: () => {
        start.paused = true;
      },
      resume: () => {
        start.paused = false;
      },
      stop: () => end('killed'),
    };
  };
  const say = (text: string) => starts.at(-1)?.options.onLine(text);
  const last = () => starts.at(-1);
  return { follow, starts, say, last };
}

function startReader(position: Position | null) {
  const child = fakeFollow();
  const stop = new AbortController();
  const edges = { follow: child.follow, monotonicMs: () => performance.now(), signal: stop.signal };
  const reader = followJournal({ namespace: 'n', position, sinceMs: T0 }, edges);
  onTestFinished(() => {
    reader.stop();
    stop.abort();
  });
  return { child, reader };
}

const kinds = (readings: readonly { kind: string }[]) => readings.map(({ kind }) => kind);
const waitFor = async (what: () => boolean) => {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 10));
};

it('begins at the first start with lines that are younger than it', () => {
  const { child } = startReader(null);
  expect(child.last()?.argv).toContain(`--since=@${T0 / 1000}.000`);
});

it('reads on at the last line and drops it, so that a vacuumed one is noticed', () => {
  const journal = createJournal();
  const known = journal.line('known');
  const again = createJournal().text('known');
  const { child, reader } = startReader({ cursor: known.cursor, at: known.at });
  expect(child.last()?.argv).toContain(`--cursor=${known.cursor}`);
  child.say(again);
  child.say(journal.text('next'));
  expect(reader.take(10)).toMatchObject([{ kind: 'line', line: { message: 'next' } }]);
});

it('takes no line twice when journalctl begins long before the line it was asked for', () => {
  const journal = createJournal();
  const old = [journal.text('first'), journal.text('second')];
  const known = journal.line('known');
  const again = createJournal();
  again.text('first');
  again.text('second');
  const { child, reader } = startReader({ cursor: known.cursor, at: known.at });
  for (const text of [...old, again.text('known'), journal.text('next')]) child.say(text);
  expect(reader.take(10)).toMatchObject([{ kind: 'line', line: { message: 'next' } }]);
});

it('tells a gap, and loses nothing after it, when the last line is gone', () => {
  const journal = createJournal();
  const known = journal.line('known');
  const { child, reader } = startReader({ cursor: known.cursor, at: known.at });
  child.say(journal.text('later'));
  expect(kinds(reader.take(10))).toEqual(['gap', 'line']);
});

/** A line of another boot and series than the fixture's, as journald writes after a power loss. */
const ofNextBoot = (number: number, at: number, monotonicMs: number) =>
  JSON.stringify({
    __CURSOR: `s=${'c'.repeat(32)};i=${number.toString(16)};b=dd;m=${(monotonicMs * 1000).toString(16)};t=2;x=3`,
    __REALTIME_TIMESTAMP: String(at * 1000),
    _BOOT_ID: 'dd',
    _PID: '7',
    _UID: '230001',
    SYSLOG_IDENTIFIER: 'internal-sftp',
    MESSAGE: `after ${number}`,
  });

it('takes the lines of the next boot for new though its clock was set back', () => {
  const known = createJournal().line('known');
  const { child, reader } = startReader({ cursor: known.cursor, at: known.at });
  child.say(createJournal().text('known'));
  for (let n = 1; n <= 9; n += 1) child.say(ofNextBoot(n, known.at - 600_000 + n, 10_000 + n));
  expect(
    reader.take(20).flatMap((each) => (each.kind === 'line' ? [each.line.message] : [each.reason])),
  ).toEqual(Array.from({ length: 9 }, (_, n) => `after ${n + 1}`));
});

it('tells a gap when journalctl skipped what a clock that was set back dated too early', () => {
  const known = createJournal().line('known');
  const { child, reader } = startReader({ cursor: known.cursor, at: known.at });
  child.say(createJournal().text('known'));
  child.say(ofNextBoot(40, known.at + 5, 600_000));
  child.say(ofNextBoot(41, known.at + 6, 600_001));
  expect(kinds(reader.take(10))).toEqual(['gap', 'line', 'line']);
});

it('starts journalctl again where its lines ended', async () => {
  const { child, reader } = startReader(null);
  const journal = createJournal();
  child.say(journal.text('one'));
  child.last()?.end('exit 1');
  await new Promise((resolve) => setTimeout(resolve, 300));
  // Not before the line was taken: the new child must know where to begin.
  expect(child.starts).toHaveLength(1);
  const [one] = reader.take(10);
  await waitFor(() => child.starts.length === 2);
  expect(one).toMatchObject({ kind: 'line' });
  const cursor = one?.kind === 'line' ? one.line.cursor : '';
  expect(child.last()?.argv).toContain(`--cursor=${cursor}`);
});

it('reads on by time when the journal can’t be searched, without reading a line twice', async () => {
  const journal = createJournal();
  const known = journal.line('known');
  const { child, reader } = startReader({ cursor: known.cursor, at: known.at });
  child.last()?.options.onErrorLine?.('Failed to seek to cursor: Invalid argument');
  child.last()?.end('exit 1');
  await waitFor(() => child.starts.length === 2);
  expect(child.last()?.argv).toContain(`--since=@${(known.at / 1000).toFixed(3)}`);
  expect(reader.problem()).toContain('seek to cursor');
  child.say(createJournal().text('known'));
  child.say(journal.text('later'));
  expect(reader.take(10)).toMatchObject([{ kind: 'gap' }, { kind: 'line', line: { message: 'later' } }]);
});

it('holds journalctl back while nobody takes its lines', () => {
  const { child, reader } = startReader(null);
  const journal = createJournal();
  for (let n = 0; n <= 8_000; n += 1) child.say(journal.text('x'));
  expect(child.last()?.paused).toBe(true);
  expect(reader.take(4_000)).toHaveLength(4_000);
  expect(child.last()?.paused).toBe(true);
  reader.take(4_000);
  expect(child.last()?.paused).toBe(false);
});

it('wakes up for a line', async () => {
  const { child, reader } = startReader(null);
  const waiting = reader.wait(60_000);
  child.say(createJournal().text('x'));
  await waiting;
  expect(reader.take(1)).toHaveLength(1);
});

it('believes journald alone when it says that it lost lines', () => {
  const journal = createJournal();
  const lost = 'Suppressed 8329 messages from s3files-sftp-sshd.service';
  expect(lossOf(journal.line(lost, { identifier: 'systemd-journald', uid: 0 }))).toBe(8329);
  expect(lossOf(journal.line(lost, { identifier: 'internal-sftp' }))).toBeUndefined();
  expect(lossOf(journal.line(lost, { identifier: 'systemd-journald', uid: 230001 }))).toBeUndefined();
});
