import { describe, expect, it } from 'vitest';
import type { JournalLine } from '../../../agent/uploads/journal-line.ts';
import type { Outcome } from '../../../agent/uploads/outcome.ts';
import { createFold, foldLine, settleSessions } from '../../../agent/uploads/sessions.ts';
import {
  BOOT,
  CLOSED,
  close,
  foldAll,
  OPENED,
  openNew,
  PARTNERS,
  T0,
  uploadsOf,
  type Written,
} from './journal-fixture.ts';

const VERBOSE = 'received client version 3';
const FAILURE = 'sent status Failure';
const READ = 'open "/upload/a" flags READ mode 0666';
const A = openNew('/upload/a');
const B = openNew('/upload/b');

describe('a close', () => {
  const closes = (...messages: (string | readonly [string, Written])[]) =>
    uploadsOf(foldAll([OPENED, VERBOSE, ...messages]).outcomes);
  it('that fails is a failed upload, and says nothing about others', () => {
    expect(closes(A, close('/upload/a', 10), FAILURE, CLOSED)).toEqual([
      'partial /upload/a 10 closing the file failed',
    ]);
    expect(
      closes(B, A, close('/upload/a', 10), 'sent status Permission denied', close('/upload/b', 20), CLOSED),
    ).toEqual(['partial /upload/a 10 closing the file failed', 'whole /upload/b 20']);
  });
  it('that fails is told also of a file that would have been renamed', () => {
    expect(closes(openNew('/upload/a.part'), close('/upload/a.part', 10), FAILURE, CLOSED)).toEqual([
      'partial /upload/a.part 10 closing the file failed',
    ]);
  });
  it('of a download that fails says nothing about the file that is being written', () => {
    expect(
      closes(READ, B, 'close "/upload/a" bytes read 9 written 0', FAILURE, close('/upload/b', 2)),
    ).toEqual(['whole /upload/b 2']);
  });
  it('is settled by the session’s next line, by time, and by what others do to the file', () => {
    const pending = () => foldAll([OPENED, VERBOSE, A, close('/upload/a', 10)], undefined, false);
    expect(uploadsOf(pending().outcomes)).toEqual([]);
    const { fold, outcomes } = pending();
    settleSessions(fold, T0 + 10_000, PARTNERS, outcomes);
    expect(uploadsOf(outcomes)).toEqual([]);
    settleSessions(fold, T0 + 10_100, PARTNERS, outcomes);
    expect(uploadsOf(outcomes)).toEqual(['whole /upload/a 10']);
    const other = { pid: 101 };
    const removed = foldAll(
      [
        [OPENED, other],
        ['remove name "/upload/a"', other],
        [CLOSED, other],
      ],
      pending().fold,
    );
    expect(removed.outcomes.map(({ kind }) => kind)).toEqual(['activity', 'whole', 'removed', 'activity']);
  });
});

describe('a failing status', () => {
  const uploads = (...messages: (string | readonly [string, Written])[]) =>
    uploadsOf(foldAll([OPENED, VERBOSE, ...messages, CLOSED]).outcomes);
  it.each(['stat name "/upload/a/x"', 'hardlink old "/upload/q" new "/upload/z"', 'opendir "/upload"'])(
    'after %s is no failed write',
    (request) => {
      expect(uploads(A, request, FAILURE, close('/upload/a', 10))).toEqual(['whole /upload/a 10']);
    },
  );
  it('after an fsync, or long after any other request, is one', () => {
    const failed = ['partial /upload/a 10 a write failed'];
    expect(uploads(A, 'fsync (handle 0)', FAILURE, close('/upload/a', 10))).toEqual(failed);
    const late = [FAILURE, { at: T0 + 5_000 }] as const;
    expect(uploads(A, 'stat name "/upload/a"', late, close('/upload/a', 10))).toEqual(failed);
  });
  it('of a write is about the file of that name alone, or of those that begin like a name that was cut', () => {
    const error = (name: string) => [`process_write: write "${name}": Input/output error`, FAILURE];
    const open = ['/upload/data2', '/upload/data'].map(openNew);
    const both = [close('/upload/data', 3), close('/upload/data2', 10)];
    expect(uploads(...open, ...error('/upload/data'), ...both)).toEqual([
      'partial /upload/data 3 Input/output error',
      'whole /upload/data2 10',
    ]);
    const long = `/upload/${'\\303\\244'.repeat(46)}`;
    expect(uploads(openNew(`${long}.csv`), ...error(long), close(`${long}.csv`, 3))).toEqual([
      expect.stringMatching(/^partial .* 3 Input/),
    ]);
  });
});

describe('an opening that was refused', () => {
  const uploads = (...messages: string[]) =>
    uploadsOf(foldAll([OPENED, VERBOSE, ...messages, CLOSED]).outcomes);
  it.each<[string, string[]]>([
    ['the file could not be made', [A, FAILURE, A]],
    ['its directory was missing', [A, 'sent status No such file', 'mkdir name "/upload" mode 0777', A]],
    ['it was looked for', [READ, 'sent status No such file', A]],
  ])('does not hide the empty file that follows: %s', (_what, before) => {
    expect(uploads(...before, close('/upload/a', 0))).toEqual(['whole /upload/a 0']);
  });
  it('does not hide it in a session that is not verbose', () => {
    const messages = [OPENED, READ, 'sent status No such file', A, close('/upload/a', 0), CLOSED];
    expect(uploadsOf(foldAll(messages).outcomes)).toEqual(['whole /upload/a 0']);
  });
  it('leaves a download and an empty upload of one name apart', () => {
    const { outcomes } = foldAll([
      OPENED,
      READ,
      A,
      close('/upload/a', 0),
      'close "/upload/a" bytes read 9 written 0',
    ]);
    expect(uploadsOf(outcomes)).toEqual(['whole /upload/a 0']);
    expect(outcomes.at(-1)).toMatchObject({ fields: { 'bytes-out': 9 } });
  });
});

const lineOf = (message: string, number: number): JournalLine => ({
  id: `s-${number}`,
  cursor: '',
  at: T0 + number,
  boot: BOOT,
  pid: 100,
  uid: 230001,
  identifier: 'internal-sftp',
  message,
});

describe('a session that opens without end', () => {
  const fill = (statuses: readonly string[], verbose: boolean, times: number) => {
    const fold = createFold([]);
    const out: Outcome[] = [];
    let number = 0;
    const read = (message: string) => {
      number += 1;
      foldLine(fold, lineOf(message, number), PARTNERS, out);
      out.length = 0;
    };
    read(OPENED);
    if (verbose) read(VERBOSE);
    for (let time = 0; time < times; time += 1) {
      read(openNew(`/upload/${'n'.repeat(300)}-${time}`));
      for (const status of statuses) read(status);
    }
    return [...fold.sessions.values()];
  };
  it('leaves nothing behind of a million refusals', { timeout: 60_000 }, () => {
    expect(fill(['sent status No such file'], true, 1_000_000)[0]?.handles).toEqual([]);
  });
  it('leaves little behind of those that are in doubt, and of files that it never closes', () => {
    expect(fill([FAILURE], true, 20_000)[0]?.handles).toHaveLength(16);
    expect(fill(['sent status No such file'], false, 20_000)[0]?.handles).toHaveLength(16);
    const open = fill([], true, 20_000);
    expect(open[0]?.handles).toHaveLength(1_024);
    expect(JSON.stringify(open).length).toBeLessThan(1_000_000);
  });
});
