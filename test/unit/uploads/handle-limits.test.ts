import { describe, expect, it } from 'vitest';
import { CLOSED, close, foldAll, OPENED, openNew, uploadsOf, type Written } from './journal-fixture.ts';

const FAULT = 'error: process_write: write "/upload/broken": No space left on device';

/** Sessions with so many files open that no more than a few of each can be remembered. */
const CROWD: (readonly [string, Written])[] = [];
for (let pid = 1_000; pid < 1_400; pid += 1) {
  CROWD.push([OPENED, { pid }]);
  for (let n = 0; n < 13; n += 1) CROWD.push([openNew(`/upload/${pid}/${n}`), { pid }]);
}

const more = (many: number, open = openNew) => Array.from({ length: many }, (_, n) => open(`/upload/f${n}`));
const openRead = (name: string) => `open "${name}" flags READ mode 0666`;
const one = (...messages: string[]) =>
  uploadsOf(foldAll([...CROWD, OPENED, 'received client version 3', ...messages]).outcomes);

describe('a session with more files open than can be remembered', () => {
  it('has room for a few, and for many while no others have', () => {
    const lines = [openNew('/upload/a'), ...more(15), 'forced close "/upload/a" bytes read 0 written 0'];
    expect(one(...lines)).toEqual(['partial /upload/a 0 interrupted']);
    const { fold } = foldAll([OPENED, ...more(1_000)]);
    expect([...fold.sessions.values()][0]?.handles).toHaveLength(1_000);
  });
  it('never tells a file for whole that failed', () => {
    const broken = close('/upload/broken', 4_096);
    const failed = [openNew('/upload/broken'), FAULT, 'sent status Failure'];
    expect(one(...failed, ...more(40), broken)).toEqual([
      'partial /upload/broken 4096 No space left on device',
    ]);
    const late = [openNew('/upload/broken'), ...more(40), FAULT, 'sent status Failure', broken];
    expect(one(...late)).toEqual([
      'partial /upload/broken 4096 No space left on device: this file, or another of many that were open',
    ]);
  });
  it('forgets what it reads first', () => {
    const lines = [openNew('/upload/a'), ...more(40, openRead), CLOSED];
    expect(one(...lines)).toEqual(['partial /upload/a null the session vanished']);
  });
  it('still tells an empty file, and that nobody knows which broke off', () => {
    expect(one(openNew('/upload/a'), ...more(20), close('/upload/a', 0), 'closedir "/"')).toEqual([
      'whole /upload/a 0',
    ]);
    const { outcomes } = foldAll([...CROWD, OPENED, ...more(20), CLOSED]);
    expect(outcomes).toContainEqual(expect.objectContaining({ level: 'warn', fields: { files: 4 } }));
  });
});
