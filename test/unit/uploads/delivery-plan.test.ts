import { describe, expect, it } from 'vitest';
import {
  type DeliveryBook,
  dueOf,
  follow,
  forget,
  judge,
  move,
  outstandingOf,
  type Sighting,
} from '../../../agent/uploads/delivery-plan.ts';
import type { Outstanding, Upload } from '../../../agent/uploads/state.ts';
import { T0 } from './journal-fixture.ts';

const MINUTE = 60_000;
const SCHEDULE = { exportDelayMs: MINUTE, deadlineMs: 15 * MINUTE };

const upload = (changes: Partial<Upload> = {}): Upload => ({
  id: 'i',
  session: 's',
  user: 'alice',
  address: null,
  path: '/upload/a',
  uploadedAs: null,
  bytes: 10,
  size: 10,
  cut: false,
  openedAt: T0 - 500,
  closedAt: T0,
  renamedAt: null,
  ...changes,
});
const item = (changes: Partial<Upload> = {}): Outstanding => {
  const made = outstandingOf(upload(changes), SCHEDULE);
  if (made === undefined) throw new Error('not followed');
  return made;
};
const found = (changes: Partial<Extract<Sighting, { kind: 'found' }>> = {}): Sighting => ({
  kind: 'found',
  versionId: 'v',
  etag: 'e',
  bytes: 10,
  modifiedAt: T0 + 61_000,
  ...changes,
});

describe('judge', () => {
  const now = T0 + 2 * MINUTE;
  it('takes an object of the right size that is newer than the close, with its lag', () => {
    expect(judge(item(), found(), now, SCHEDULE)).toMatchObject({
      kind: 'delivered',
      lagSeconds: 61,
      late: false,
    });
  });
  it('allows for S3 cutting the fraction of a second, where the export may come as fast as that', () => {
    const schedule = { ...SCHEDULE, exportDelayMs: 0 };
    expect(judge(item({ closedAt: T0 + 900 }), found({ modifiedAt: T0 }), now, schedule)).toMatchObject({
      kind: 'delivered',
      lagSeconds: 0,
    });
  });
  it('does not take the version of just before, of the same size, for that of an upload over it', () => {
    expect(judge(item({ closedAt: T0 + 900 }), found({ modifiedAt: T0 }), now, SCHEDULE).kind).toBe(
      'waiting',
    );
    expect(judge(item({ size: null }), found({ modifiedAt: T0 - 1 }), now, SCHEDULE).kind).toBe('waiting');
  });
  it('does not take what lay at the new name before the rename', () => {
    const renamed = item({ renamedAt: T0 + 30_000 });
    expect(judge(renamed, found({ modifiedAt: T0 + 20_000 }), now, SCHEDULE).kind).toBe('waiting');
    expect(judge(renamed, found({ modifiedAt: T0 + 29_500 }), now, SCHEDULE).kind).toBe('delivered');
  });
  it('takes a version from before the close at the deadline, when it was opened before that, and is whole', () => {
    const late = T0 + 15 * MINUTE;
    const idle = item({ openedAt: T0 - 90_000 });
    const early = found({ modifiedAt: T0 - 20_000 });
    expect(judge(idle, early, now, SCHEDULE).kind).toBe('waiting');
    expect(judge(idle, early, late, SCHEDULE)).toMatchObject({
      kind: 'delivered',
      lagSeconds: 0,
      late: false,
    });
    expect(judge(item({ openedAt: T0 - 10_000 }), early, late, SCHEDULE).kind).toBe('overdue');
    expect(judge({ ...idle, size: null }, early, late, SCHEDULE).kind).toBe('overdue');
  });
  it.each<[string, Sighting]>([
    ['nothing there', { kind: 'absent' }],
    ['an older version', found({ modifiedAt: T0 - 10_000 })],
    ['a version exported half-written', found({ bytes: 4 })],
  ])('waits on: %s', (_what, sighting) => {
    expect(judge(item(), sighting, now, SCHEDULE)).toMatchObject({ kind: 'waiting', next: { attempts: 1 } });
  });
  it('takes any size where the log does not know it', () => {
    expect(judge(item({ size: null }), found({ bytes: 999 }), now, SCHEDULE).kind).toBe('delivered');
  });
  it('takes a newer and smaller version at the deadline, since bytes can be written twice, and marks it', () => {
    const smaller = found({ bytes: 4 });
    expect(judge(item(), smaller, T0 + 15 * MINUTE - 1, SCHEDULE).kind).toBe('waiting');
    expect(judge(item(), smaller, T0 + 15 * MINUTE, SCHEDULE)).toMatchObject({
      kind: 'delivered',
      late: false,
      otherSize: true,
    });
    expect(judge(item(), found(), T0 + 15 * MINUTE, SCHEDULE)).toMatchObject({ otherSize: false });
    const older = found({ bytes: 4, modifiedAt: T0 - 400 });
    expect(judge(item(), older, T0 + 15 * MINUTE, SCHEDULE).kind).toBe('overdue');
  });
  it('tells once that the deadline has passed, with the reason, and goes on asking', () => {
    const late = T0 + 15 * MINUTE;
    const first = judge(item(), found({ bytes: 14 }), late, SCHEDULE);
    expect(first).toMatchObject({
      kind: 'overdue',
      reason: 'the bucket’s version has 14 bytes, 10 were uploaded',
      next: { overdue: true },
    });
    const { next } = first as Extract<typeof first, { kind: 'overdue' }>;
    expect(judge(next, { kind: 'absent' }, late + MINUTE, SCHEDULE)).toMatchObject({ kind: 'waiting' });
    expect(judge(next, found(), late + MINUTE, SCHEDULE)).toMatchObject({ kind: 'delivered', late: true });
    expect(judge(next, { kind: 'absent' }, T0 + 15 * 86_400_000, SCHEDULE)).toMatchObject({
      kind: 'given-up',
    });
  });
  it('asks again right at the deadline, not a back-off later', () => {
    const verdict = judge({ ...item(), attempts: 6 }, { kind: 'absent' }, T0 + 14.9 * MINUTE, SCHEDULE);
    expect(verdict).toMatchObject({ kind: 'waiting', next: { dueAt: T0 + 15 * MINUTE } });
  });
  it('asks fewer than twenty times before the deadline, and less and less often after it', () => {
    let now = item().dueAt;
    let next = item();
    let before = 0;
    let rest = 0;
    for (let step = 0; step < 60; step += 1) {
      const verdict = judge(next, { kind: 'absent' }, now, SCHEDULE);
      if (verdict.kind !== 'waiting' && verdict.kind !== 'overdue') throw new Error(verdict.kind);
      if (!verdict.next.overdue) before += 1;
      next = verdict.next;
      rest = next.dueAt - now;
      expect(rest).toBeGreaterThan(0);
      now = next.dueAt;
    }
    expect(before).toBeLessThan(20);
    expect(rest).toBe(3_600_000);
  });
  it('does not take a failure to ask for an attempt', () => {
    const verdict = judge(item(), { kind: 'unknown', problem: 'timeout' }, now, SCHEDULE);
    expect(verdict).toMatchObject({ kind: 'waiting', next: { attempts: 0 } });
  });
});

describe('the uploads on their way', () => {
  it('begins to ask when the export is due', () => {
    const book: DeliveryBook = new Map();
    follow(book, item());
    expect(dueOf(book, T0 + MINUTE, 10)).toEqual([]);
    expect(dueOf(book, T0 + MINUTE + 5_000, 10)).toHaveLength(1);
  });
  it('does not follow what has no key', () => {
    expect(outstandingOf(upload({ user: null }), SCHEDULE)).toBeUndefined();
    expect(outstandingOf(upload({ cut: true }), SCHEDULE)).toBeUndefined();
  });
  it('waits for the last upload of a path only', () => {
    const book: DeliveryBook = new Map();
    follow(book, item({ id: 'first' }));
    expect(follow(book, item({ id: 'second' }))).toMatchObject({ item: { id: 'first' }, why: 'overwritten' });
    expect([...book.values()].map(({ id }) => id)).toEqual(['second']);
  });
  it('follows a file, and all below a directory, to the new name; others stay', () => {
    const book: DeliveryBook = new Map();
    follow(book, item({ id: '1', path: '/upload/d/x' }));
    follow(book, item({ id: '2', path: '/upload/d/e/y' }));
    follow(book, item({ id: '3', path: '/upload/dd/z' }));
    follow(book, item({ id: '4', user: 'bob', path: '/upload/d/x' }));
    expect(move(book, 'alice', '/upload/d', '/upload/n', T0 + 5)).toEqual([]);
    expect([...book.keys()].sort()).toEqual([
      'alice/upload/dd/z',
      'alice/upload/n/e/y',
      'alice/upload/n/x',
      'bob/upload/d/x',
    ]);
    expect(book.get('alice/upload/n/x')).toMatchObject({
      id: '1',
      path: '/upload/n/x',
      renamedAt: T0 + 5,
    });
  });
  it('supersedes what a rename replaces', () => {
    const book: DeliveryBook = new Map();
    follow(book, item({ id: 'old', path: '/upload/a' }));
    expect(move(book, 'alice', '/upload/unknown', '/upload/a', T0)).toMatchObject([{ item: { id: 'old' } }]);
    expect(book.size).toBe(0);
  });
  it('forgets what was deleted', () => {
    const book: DeliveryBook = new Map();
    follow(book, item());
    expect(forget(book, 'alice', '/upload/a', 'deleted')).toMatchObject({ why: 'deleted' });
    expect(forget(book, 'alice', '/upload/a', 'deleted')).toBeUndefined();
  });
  it('stops taking more at its bound, and says so', () => {
    const book: DeliveryBook = new Map();
    for (let n = 0; n < 100_000; n += 1) book.set(`alice/${n}`, item());
    expect(follow(book, item({ path: '/one-more' }))).toMatchObject({ why: 'not followed' });
    expect(book.size).toBe(100_000);
  });
  it('takes fewer whose paths are long, and more again when some have arrived', () => {
    const book: DeliveryBook = new Map();
    const long = (n: number) => item({ path: `/upload/${'p'.repeat(430)}-${n}` });
    let refused = 0;
    for (let n = 0; n < 30_000; n += 1) if (follow(book, long(n)) !== undefined) refused += 1;
    expect(book.size + refused).toBe(30_000);
    expect(book.size).toBeGreaterThan(15_000);
    expect(book.size).toBeLessThan(20_000);
    // Sent once more, it takes no more room than before.
    expect(follow(book, long(0))).toMatchObject({ why: 'overwritten' });
    const kept = book.size;
    for (const key of [...book.keys()].slice(0, 5_000)) book.delete(key);
    for (let n = 30_000; n < 40_000; n += 1) follow(book, long(n));
    expect(book.size).toBeGreaterThan(kept - 100);
  });
});

describe('a rename among very many uploads on their way', () => {
  const book: DeliveryBook = new Map();
  for (let n = 0; n < 99_000; n += 1) follow(book, item({ id: `${n}`, path: `/upload/${n % 50}/${n}` }));

  it('of a file is no search among them', () => {
    const began = process.cpuUsage();
    for (let n = 0; n < 5_000; n += 1) move(book, 'alice', `/upload/${n}.part`, `/upload/${n}.csv`, T0);
    expect(process.cpuUsage(began).user / 1_000_000).toBeLessThan(2);
  });
  it('of a directory takes all with it that is below, also what came since it was renamed first', () => {
    const pathsIn = (directory: string) =>
      [...book.values()].filter(({ path }) => path.startsWith(directory)).length;
    move(book, 'alice', '/upload/7', '/upload/x/y', T0);
    expect([pathsIn('/upload/7/'), pathsIn('/upload/x/y/')]).toEqual([0, 1_980]);
    follow(book, item({ id: 'new', path: '/upload/x/new' }));
    move(book, 'alice', '/upload/x', '/upload/z', T0);
    expect([pathsIn('/upload/x/'), pathsIn('/upload/z/')]).toEqual([0, 1_981]);
    move(book, 'bob', '/upload/z', '/upload/bob', T0);
    expect(pathsIn('/upload/z/')).toBe(1_981);
  });
});
