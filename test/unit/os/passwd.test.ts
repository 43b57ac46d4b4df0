import { expect, it } from 'vitest';
import { parseGroup, parsePasswd, parseShadow } from '../../../agent/os/passwd.ts';

it('parsePasswd reads entries and skips what is none', () => {
  const text =
    'root:x:0:0:root:/root:/bin/bash\n\n+::::::\nbad:x:no:0::/:/bin/sh\nshort:x:1\nalice:x:200000:200000:p:/:/sbin/nologin\n';
  expect(parsePasswd(text).map(({ name, uid }) => [name, uid])).toEqual([
    ['root', 0],
    ['alice', 200_000],
  ]);
});

it('parseGroup reads members', () => {
  expect(parseGroup('wheel:x:10:a,b\nempty:x:11:\n')).toEqual([
    { name: 'wheel', gid: 10, members: ['a', 'b'] },
    { name: 'empty', gid: 11, members: [] },
  ]);
});

it('parseShadow tells what a password field lets in, and keeps no hash', () => {
  const text =
    'a:*:1::::::\nb:!*:1::::::\nc:$6$salt$hash:1::::::\nd:!:1::::1:\ne:*:1:::::20000:\nf::1::::::\n';
  expect(parseShadow(text).map(({ name, password, hasExpiry }) => [name, password, hasExpiry])).toEqual([
    ['a', 'keys-only', false],
    ['b', 'locked', false],
    ['c', 'other', false],
    ['d', 'locked', false],
    ['e', 'keys-only', true],
    ['f', 'other', false],
  ]);
  expect(JSON.stringify(parseShadow(text))).not.toContain('hash');
});
