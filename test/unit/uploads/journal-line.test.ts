import { expect, it } from 'vitest';
import { journalLineOf } from '../../../agent/uploads/journal-line.ts';
import { BOOT, createJournal, T0 } from './journal-fixture.ts';

const entry = (changes: Record<string, unknown>) =>
  JSON.stringify({ ...JSON.parse(createJournal().text('hello')), ...changes });

it('reads an entry, with an id that is short and names the entry for ever', () => {
  expect(journalLineOf(createJournal().text('hello "you"', { pid: 7, uid: 0, identifier: 'sshd' }))).toEqual({
    cursor: 's=b2099b6b7293417c9c981746761d7245;i=1;b=084ee5942b684ec993453dcdb6fe5302;m=1;t=2;x=3',
    id: 'b2099b6b-1',
    at: T0 + 10,
    boot: BOOT,
    pid: 7,
    uid: 0,
    identifier: 'sshd',
    message: 'hello "you"',
  });
});

it('reads a message that is not UTF-8, which journalctl prints as bytes', () => {
  expect(journalLineOf(entry({ MESSAGE: [104, 105, 255] }))?.message).toBe('hi\ufffd');
});

it.each([
  ['cut in the middle', createJournal().text('hello').slice(0, 80)],
  ['no object', 'null'],
  ['a message too long for journalctl', entry({ MESSAGE: null })],
  ['no uid by the kernel', entry({ _UID: undefined })],
  ['a uid that is no number', entry({ _UID: 'root' })],
  ['a message given twice', entry({ _PID: ['1', '2'] })],
  ['no cursor', entry({ __CURSOR: undefined })],
])('ignores what it can’t vouch for: %s', (_what, text) => {
  expect(journalLineOf(text)).toBeUndefined();
});
