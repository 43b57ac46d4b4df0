import { describe, expect, it } from 'vitest';
import { NO_TOTALS } from '../../../agent/uploads/state.ts';
import { createTally, takeEffects, tallyOutcome } from '../../../agent/uploads/tally.ts';
import { CLOSED, close, foldAll, OPENED, openNew, T0, uploadsOf, type Written } from './journal-fixture.ts';

const SCHEDULE = { exportDelayMs: 60_000, deadlineMs: 900_000 };
const VERBOSE = 'received client version 3';
const A = openNew('/upload/a');
const B = openNew('/upload/b');
const REMOVE = 'remove name "/upload/a"';
const OVER = 'posix-rename old "/upload/b" new "/upload/a"';

type Message = string | readonly [string, Written];

/** What is counted, what is followed, and why something is not. */
function tallied(...messages: readonly Message[]) {
  const tally = createTally([], NO_TOTALS);
  for (const outcome of foldAll([OPENED, VERBOSE, ...messages, CLOSED]).outcomes)
    tallyOutcome(tally, outcome, SCHEDULE);
  const { completed, partial } = tally.totals;
  const followed = [...tally.book.values()].map(({ path, size }) => `${path} ${size}`);
  const why = takeEffects(tally).lines.flatMap(({ fields }) =>
    fields.why === undefined ? [] : [fields.why],
  );
  return { completed, partial, followed, why };
}

const elsewhere = (...messages: string[]): Message[] =>
  [OPENED, VERBOSE, ...messages, CLOSED].map((message) => [message, { pid: 101 }] as const);

describe('a file that has lost its name before it was closed', () => {
  it('is whole, and not waited for, when it was deleted', () => {
    const deleted = { completed: 1, partial: 0, followed: [], why: ['deleted'] };
    expect(tallied(A, REMOVE, close('/upload/a', 10))).toEqual(deleted);
    expect(tallied(A, ...elsewhere(REMOVE), close('/upload/a', 10))).toEqual(deleted);
  });
  it('is whole, and not waited for, when another file took its name; that one is', () => {
    const over = { completed: 2, partial: 0, followed: ['/upload/a 77'], why: ['overwritten'] };
    expect(tallied(A, B, close('/upload/b', 77), OVER, close('/upload/a', 10))).toEqual(over);
    expect(tallied(A, ...elsewhere(B, close('/upload/b', 77), OVER), close('/upload/a', 10))).toEqual(over);
  });
  it('takes nothing away from a later file of its name when it breaks off', () => {
    const { followed } = tallied(
      A,
      ...elsewhere(REMOVE, A, close('/upload/a', 5)),
      'forced close "/upload/a" bytes read 0 written 1',
    );
    expect(followed).toEqual(['/upload/a 5']);
  });
  it('has the new one when another session renames it', () => {
    const rename = 'posix-rename old "/upload/a" new "/upload/c"';
    expect(tallied(A, ...elsewhere(rename), close('/upload/a', 10)).followed).toEqual(['/upload/c 10']);
  });
  it('has the old one when its session was gone by then, and the partner has sent it once more', () => {
    const again = elsewhere(A, close('/upload/a', 5), 'posix-rename old "/upload/a" new "/upload/c"');
    // Another session of the same pid shows that the first is no more.
    const { outcomes } = foldAll([OPENED, VERBOSE, A, ...again, OPENED]);
    expect(uploadsOf(outcomes)).toEqual(['whole /upload/a 5', 'partial /upload/a null the session vanished']);
    expect(tallied(A, ...again, OPENED)).toMatchObject({ followed: ['/upload/c 5'], partial: 1 });
  });
  it('is known also when the clock was set back meanwhile', () => {
    const earlier = [REMOVE, { at: T0 - 60_000 }] as const;
    expect(tallied(A, earlier, close('/upload/a', 10)).followed).toEqual([]);
  });
  it('is another file than the one that a session makes before the removal is known to have taken place', () => {
    expect(tallied(REMOVE, ...elsewhere(A, close('/upload/a', 5))).followed).toEqual(['/upload/a 5']);
  });
  it('keeps it where the removal was refused, or somebody else’s', () => {
    expect(tallied(A, REMOVE, 'sent status Permission denied', close('/upload/a', 10)).followed).toHaveLength(
      1,
    );
    const bob = { pid: 200, uid: 230002 };
    const others = ['session opened for local user bob from [10.0.0.2]', REMOVE, 'closedir "/"'];
    const lines = others.map((message) => [message, bob] as const);
    expect(tallied(A, ...lines, close('/upload/a', 10)).followed).toHaveLength(1);
  });
});

describe('a whole file under a temporary name', () => {
  const whole = [openNew('/upload/x.tmp'), close('/upload/x.tmp', 10)];
  const lost = { completed: 1, partial: 1, followed: [], why: ['overwritten'] };
  it('is not waited for when it was written over in the same session, and that broke off', () => {
    const again = 'forced close "/upload/x.tmp" bytes read 0 written 3';
    expect(tallied(...whole, openNew('/upload/x.tmp'), again)).toEqual(lost);
    const appending = 'open "/upload/x.tmp" flags WRITE,APPEND mode 0644';
    expect(tallied(...whole, appending, again)).toEqual(lost);
    expect(tallied(...whole, appending)).toEqual(lost);
  });
  it('is not waited for when another file takes its name', () => {
    const rename = 'posix-rename old "/upload/b" new "/upload/x.tmp"';
    const over = { completed: 2, partial: 0, followed: ['/upload/x.tmp 4'], why: ['overwritten'] };
    expect(tallied(...whole, B, close('/upload/b', 4), rename)).toEqual(over);
    expect(tallied(...whole, ...elsewhere(B, close('/upload/b', 4), rename))).toEqual(over);
  });
});

it('moves the upload that a rename with quotes in its names is about, although it is long whole', () => {
  const rename = 'posix-rename old "/upload/a" new "b" new "/upload/c"';
  const { followed } = tallied(A, close('/upload/a', 4), rename);
  expect(followed).toEqual(['/upload/b" new "/upload/c 4']);
});

describe('a size that the client sets', () => {
  const open = (name: string) => `open "${name}" flags WRITE,CREATE mode 0644`;
  const set = (size: number) => `set "/upload/f" size ${size}`;
  it('is what the object will have, as scp does it with every file', () => {
    expect(tallied(open('/upload/f'), set(10), close('/upload/f', 10)).followed).toEqual(['/upload/f 10']);
    expect(tallied(open('/upload/f'), set(0), close('/upload/f', 0))).toMatchObject({
      completed: 1,
      followed: ['/upload/f 0'],
    });
    expect(tallied(openNew('/upload/f'), set(5), close('/upload/f', 10)).followed).toEqual(['/upload/f 5']);
  });
  it('is not when it was refused, or another file’s', () => {
    const refused = tallied(open('/upload/f'), set(5), 'sent status Failure', close('/upload/f', 10));
    expect(refused.followed).toEqual(['/upload/f null']);
    expect(tallied(open('/upload/g'), set(5), close('/upload/g', 10)).followed).toEqual(['/upload/g null']);
  });
});
