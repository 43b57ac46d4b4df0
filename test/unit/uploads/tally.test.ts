import { expect, it } from 'vitest';
import { judge } from '../../../agent/uploads/delivery-plan.ts';
import { NO_TOTALS, type Outstanding } from '../../../agent/uploads/state.ts';
import {
  createTally,
  overdueCount,
  takeEffects,
  tallyOutcome,
  tallyVerdict,
} from '../../../agent/uploads/tally.ts';
import { CLOSED, close, foldAll, OPENED, openNew, T0 } from './journal-fixture.ts';

const SCHEDULE = { exportDelayMs: 60_000, deadlineMs: 900_000 };
const OBJECT = { bucket: 'b', key: 'alice/upload/a', exportError: 'S3AccessDenied' };
const FOUND = { kind: 'found', versionId: 'v1', etag: 'e1', bytes: 3, modifiedAt: T0 + 70_000 } as const;

function tallied(messages: readonly string[]) {
  const tally = createTally([], NO_TOTALS);
  for (const outcome of foldAll(messages).outcomes) tallyOutcome(tally, outcome, SCHEDULE);
  return tally;
}

function only(tally: ReturnType<typeof tallied>): Outstanding {
  const [item] = tally.book.values();
  if (item === undefined) throw new Error('nothing is followed');
  return item;
}

it('counts a whole upload and says who sent what from where', () => {
  const tally = tallied([OPENED, openNew('/upload/a'), close('/upload/a', 3), CLOSED]);
  const { counts, lines } = takeEffects(tally);
  expect(counts.map(({ name, value }) => [name, value])).toEqual([
    ['UploadCount', 1],
    ['UploadBytes', 3],
  ]);
  expect(lines.find(({ message }) => message === 'upload complete')?.fields).toEqual({
    'event-id': 'b2099b6b-3',
    'activity-type': 'CLOSE',
    user: 'alice',
    'session-id': 'b2099b6b-1',
    'source-ip': '127.0.0.1',
    path: '/upload/a',
    'bytes-in': 3,
    'closed-at': new Date(T0 + 30).toISOString(),
  });
  expect(takeEffects(tally)).toEqual({ counts: [], lines: [] });
});

it('counts a partial upload apart, and what was at its path is not waited for any more', () => {
  const tally = tallied([
    OPENED,
    openNew('/upload/a'),
    close('/upload/a', 3),
    openNew('/upload/a'),
    'forced close "/upload/a" bytes read 0 written 1',
  ]);
  expect(tally.totals).toMatchObject({ completed: 1, partial: 1, bytes: 3, superseded: 1 });
  expect(tally.book.size).toBe(0);
});

it('still follows a whole upload when an older one of the same path turns out to have vanished', () => {
  const tally = tallied([OPENED, openNew('/upload/a'), close('/upload/a', 3)]);
  const whole = only(tally);
  const upload = { ...whole, address: '127.0.0.1', uploadedAs: null, bytes: null, cut: false };
  const vanished = { ...upload, id: 'older', closedAt: whole.closedAt - 1_000 };
  tallyOutcome(tally, { kind: 'partial', upload: vanished, reason: 'the session vanished' }, SCHEDULE);
  expect(tally.totals).toMatchObject({ completed: 1, partial: 1, superseded: 0 });
  expect(only(tally)).toBe(whole);
});

it('still follows a whole upload when another session breaks off that had begun the same file before', () => {
  const tally = tallied([OPENED, openNew('/upload/a'), close('/upload/a', 3)]);
  const whole = only(tally);
  const upload = { ...whole, address: '127.0.0.1', uploadedAs: null, bytes: 1, cut: false };
  const hung = { ...upload, id: 'hung', openedAt: T0 - 60_000, closedAt: whole.closedAt + 30_000 };
  tallyOutcome(tally, { kind: 'partial', upload: hung, reason: 'interrupted' }, SCHEDULE);
  expect(only(tally)).toBe(whole);
  const later = { ...hung, id: 'later', openedAt: whole.closedAt + 1 };
  tallyOutcome(tally, { kind: 'partial', upload: later, reason: 'interrupted' }, SCHEDULE);
  expect(tally.book.size).toBe(0);
});

it('gives a receipt with key, version, etag, bytes and lag', () => {
  const tally = tallied([OPENED, openNew('/upload/a'), close('/upload/a', 3)]);
  takeEffects(tally);
  const item = only(tally);
  tallyVerdict(tally, item, judge(item, FOUND, T0 + 70_000, SCHEDULE), T0 + 70_000, OBJECT);
  const { counts, lines } = takeEffects(tally);
  expect(counts).toEqual([{ name: 'DeliveryLagSeconds', value: 69.97, at: T0 + 70_000, user: 'alice' }]);
  expect(lines).toMatchObject([
    {
      message: 'upload delivered',
      fields: {
        'event-id': 'b2099b6b-3.receipt',
        'upload-id': 'b2099b6b-3',
        key: 'alice/upload/a',
        'version-id': 'v1',
        etag: 'e1',
        bytes: 3,
        'lag-seconds': 69.97,
      },
    },
  ]);
  expect(tally.book.size).toBe(0);
});

it('counts bytes that sshd cut off the log when the object tells them', () => {
  const name = `/upload/${'n'.repeat(455)}`;
  const tally = tallied([OPENED, openNew(name).slice(0, 500), close(name, 1_000_000).slice(0, 500)]);
  expect(takeEffects(tally).counts.map((count) => count.name)).toEqual(['UploadCount']);
  const item = only(tally);
  tallyVerdict(tally, item, judge(item, FOUND, T0 + 70_000, SCHEDULE), T0, OBJECT);
  expect(takeEffects(tally).counts).toContainEqual({
    name: 'UploadBytes',
    value: 3,
    at: item.closedAt,
    user: 'alice',
  });
});

it('holds an overdue upload in the gauge until it arrives after all', () => {
  const tally = tallied([OPENED, openNew('/upload/a'), close('/upload/a', 3)]);
  takeEffects(tally);
  const late = T0 + 1_000_000;
  const item = only(tally);
  tallyVerdict(tally, item, judge(item, { kind: 'absent' }, late, SCHEDULE), late, OBJECT);
  expect(overdueCount(tally.book)).toBe(1);
  expect(takeEffects(tally).lines).toMatchObject([
    { level: 'error', message: 'upload undelivered', fields: { 'export-error': 'S3AccessDenied' } },
  ]);
  const again = only(tally);
  tallyVerdict(tally, again, judge(again, FOUND, late + 1, SCHEDULE), late + 1, OBJECT);
  expect(overdueCount(tally.book)).toBe(0);
  expect(takeEffects(tally).lines).toMatchObject([{ level: 'warn', message: 'upload delivered late' }]);
});

it('takes no answer about a file that was replaced while S3 was asked', () => {
  const tally = tallied([OPENED, openNew('/upload/a'), close('/upload/a', 3)]);
  const asked = only(tally);
  const replaced = foldAll([OPENED, openNew('/upload/a'), 'stat name "/x"', close('/upload/a', 3)]).outcomes;
  for (const outcome of replaced) tallyOutcome(tally, outcome, SCHEDULE);
  takeEffects(tally);
  tallyVerdict(tally, asked, judge(asked, FOUND, T0 + 70_000, SCHEDULE), T0 + 70_000, OBJECT);
  expect(takeEffects(tally)).toEqual({ counts: [], lines: [] });
  expect(tally.book.size).toBe(1);
});

it('follows a renamed upload under its new name, and forgets a deleted one', () => {
  const moved = tallied([
    OPENED,
    openNew('/upload/a'),
    close('/upload/a', 3),
    'rename old "/upload/a" new "/upload/b"',
    CLOSED,
  ]);
  expect(only(moved).path).toBe('/upload/b');
  const temporary = tallied([
    OPENED,
    openNew('/upload/a.part'),
    close('/upload/a.part', 3),
    'posix-rename old "/upload/a.part" new "/upload/b"',
    CLOSED,
  ]);
  expect(only(temporary).path).toBe('/upload/b');
  expect(temporary.totals).toMatchObject({ completed: 1, superseded: 0 });
  const deleted = tallied([
    OPENED,
    openNew('/upload/a'),
    close('/upload/a', 3),
    'remove name "/upload/a"',
    CLOSED,
  ]);
  expect(deleted.book.size).toBe(0);
  expect(deleted.totals.superseded).toBe(1);
});
