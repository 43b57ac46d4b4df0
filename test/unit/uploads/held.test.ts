import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../../agent/uploads/outcome.ts';
import { foldLine } from '../../../agent/uploads/sessions.ts';
import { close, createJournal, foldAll, OPENED, openNew, PARTNERS, uploadsOf } from './journal-fixture.ts';

const at = (pid: number) => (message: string) => [message, { pid }] as const;
const first = at(101);
const second = at(102);
const VERBOSE = 'received client version 3';
const begin = [first(OPENED), first(VERBOSE), second(OPENED), second(VERBOSE)];
const upload = (by: typeof first, name: string, bytes: number) => [
  by(openNew(name)),
  by(close(name, bytes)),
  by('closedir "/"'),
];

describe('what another session of the partner does to files that wait for their rename', () => {
  it('is known for each of many, whatever came and went before', () => {
    const lines = [...begin];
    const expected: string[] = [];
    for (let n = 0; n < 300; n += 1) {
      lines.push(...upload(first, `/upload/d${n % 7}/${n}.part`, n));
      if (n % 3 === 0) continue;
      const name = `/upload/d${n % 7}/${n}.part`;
      if (n % 3 === 1) lines.push(second(`rename old "${name}" new "/upload/${n}"`), second('closedir "/"'));
      else lines.push(second(openNew(name)), second(close(name, 1_000 + n)), second('closedir "/"'));
      expected.push(n % 3 === 1 ? `whole /upload/${n} ${n}` : `whole ${name} ${n}`);
    }
    expect(uploadsOf(foldAll(lines).outcomes)).toEqual(expected);
  });
  it('moves them with their directory, and again with the directory that it is then', () => {
    const { outcomes } = foldAll([
      ...begin,
      ...upload(first, '/upload/a/b/x.part', 1),
      second('rename old "/upload/a" new "/upload/c"'),
      second('closedir "/"'),
      first('rename old "/upload/c/b" new "/upload/d"'),
      first('closedir "/"'),
      second('rename old "/upload/d/x.part" new "/upload/d/x"'),
      second('closedir "/"'),
    ]);
    expect(uploadsOf(outcomes)).toEqual(['whole /upload/d/x 1']);
  });
  it('leaves alone what only begins like it', () => {
    const { outcomes } = foldAll([
      ...begin,
      ...upload(first, '/upload/ab.part', 1),
      second('rename old "/upload/a" new "/upload/c"'),
      second('closedir "/"'),
      first('rename old "/upload/ab.part" new "/upload/ab"'),
      first('closedir "/"'),
    ]);
    expect(uploadsOf(outcomes)).toEqual(['whole /upload/ab 1']);
  });
});

const SESSIONS = 100;

/** A partner who writes files under temporary names, and renames none. */
function hold(files: number) {
  const journal = createJournal();
  const { fold } = foldAll([]);
  const out: Outcome[] = [];
  const say = (message: string, pid: number) => foldLine(fold, journal.line(message, { pid }), PARTNERS, out);
  for (let pid = 1; pid <= SESSIONS; pid += 1) say(OPENED, pid);
  for (let n = 0; n < files; n += 1) {
    const pid = 1 + (n % SESSIONS);
    say(openNew(`/upload/${n}.tmp`), pid);
    say(close(`/upload/${n}.tmp`, 1), pid);
  }
  return { fold, out };
}

it('costs no more a line, however many files wait in however many sessions of one partner', () => {
  const began = process.cpuUsage();
  const { out } = hold(15_000);
  expect(process.cpuUsage(began).user / 1_000_000).toBeLessThan(5);
  expect(uploadsOf(out)).toEqual([]);
});

it('lets go of the oldest when all sessions together hold more than fit in memory', () => {
  const { fold, out } = hold(22_000);
  const held = [...fold.sessions.values()].reduce((sum, session) => sum + session.held.length, 0);
  expect(held).toBeLessThanOrEqual(20_000);
  expect(uploadsOf(out)).toHaveLength(22_000 - held);
  expect(uploadsOf(out)[0]).toMatch(/^whole \/upload\/\d+\.tmp 1$/);
});
