import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDirectoryName, nameFault, quoteName } from '../../../agent/accounts/account-name.ts';

describe('nameFault', () => {
  it.each(['alice', 'Acme_Corp-2', '_x', 'a'.repeat(31)])('takes %s', (name) =>
    expect(nameFault(name)).toBeUndefined(),
  );
  it.each([
    'root',
    'Root',
    'disk',
    'systemd-network',
    'ec2-user',
    '../x',
    '-rf',
    '1st',
    'a b',
    'a:b',
    'a,b',
    'a\0',
    'ä',
    'a\n',
    'x'.repeat(32),
    '',
  ])('refuses %j', (name) => expect(nameFault(name)).toBeTypeOf('string'));
  it('lets nothing through that could be more than a name to a shell, a path or a file of accounts', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        if (nameFault(name) === undefined) expect(name).toMatch(/^[A-Za-z_][A-Za-z0-9_-]{0,30}$/);
      }),
    );
  });
});

it('quoteName keeps a log line one line of printable ASCII', () => {
  expect(quoteName('a"b\n\u202e')).toBe(String.raw`"a\u0022b\u000a\u202e"`);
  expect(quoteName('x'.repeat(500)).length).toBeLessThan(70);
});

it('isDirectoryName takes one segment that is neither hidden nor sshd’s', () => {
  expect(['in', 'out box', '_a.b'].every(isDirectoryName)).toBe(true);
  expect(['', '.', '..', '.ssh', 'a/b', 'dev', '-x', 'a\n', ' a'].some(isDirectoryName)).toBe(false);
});
