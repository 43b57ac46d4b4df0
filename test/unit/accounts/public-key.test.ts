import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePublicKey } from '../../../agent/accounts/public-key.ts';
import { ed25519Line, fingerprintOf, rsaLine, wire } from './keys.ts';

const problemOf = (text: string) => {
  const verdict = parsePublicKey(text);
  return verdict.ok ? 'accepted' : verdict.problem;
};
const GOOD = ed25519Line();
const [, BASE64 = ''] = GOOD.split(' ');

describe('parsePublicKey', () => {
  it('drops the comment and names the key by its fingerprint', () => {
    expect(parsePublicKey(`  ${GOOD}\r\n`)).toEqual({
      ok: true,
      key: { type: 'ssh-ed25519', base64: BASE64, fingerprint: fingerprintOf(GOOD) },
    });
  });

  it('takes the sk- forms, which ssh2 does not know', () => {
    const type = 'sk-ssh-ed25519@openssh.com';
    const blob = wire(type, Buffer.alloc(32, 7), 'ssh:').toString('base64');
    expect(parsePublicKey(`${type} ${blob}`)).toMatchObject({ ok: true, key: { type } });
  });

  it('takes RSA from 3072 bits on and says how many a smaller one has', () => {
    expect(problemOf(rsaLine(3072))).toBe('accepted');
    expect(problemOf(rsaLine(2048))).toBe('is an RSA key of 2048 bits; at least 3072 are needed');
  });

  it.each([
    ['an embedded newline', `${GOOD}\nssh-ed25519 ${BASE64}`, 'line break'],
    ['a newline inside', GOOD.replace(' ', '\n'), 'line break'],
    ['a CR', GOOD.replace('partner', 'x\ry'), 'line break'],
    ['a NUL', `${GOOD}\0`, 'line break'],
    ['a line separator', `${GOOD}\u2028x`, 'line break'],
    ['an option', `command="/bin/sh" ${GOOD}`, 'options'],
    ['a flag', `no-pty ${GOOD}`, 'options'],
    ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA', 'PRIVATE'],
    ['PEM', '-----BEGIN PUBLIC KEY-----\nAAAA', 'PEM'],
    ['RFC 4716', '---- BEGIN SSH2 PUBLIC KEY ----\nAAAA', 'RFC 4716'],
    ['PuTTY', 'PuTTY-User-Key-File-3: ssh-ed25519', 'PuTTY'],
    ['a certificate', `ssh-ed25519-cert-v01@openssh.com ${BASE64}`, 'certificate'],
    ['DSA', `ssh-dss ${BASE64}`, 'DSA'],
    ['1 MB of base64', `ssh-ed25519 ${'A'.repeat(1_000_000)}`, 'longer than'],
    ['nothing', '  \n', 'empty'],
    ['a type only', 'ssh-ed25519', 'base64'],
    ['cut base64', GOOD.slice(0, 60), 'not whole'],
    ['url-safe base64', `ssh-ed25519 ${BASE64.slice(0, -1)}_`, 'base64'],
    ['another type’s content', `ecdsa-sha2-nistp256 ${BASE64}`, 'does not match'],
    [
      'bytes after its end',
      `ssh-ed25519 ${Buffer.concat([Buffer.from(BASE64, 'base64'), wire('x')]).toString('base64')}`,
      'does not match',
    ],
    [
      'an ed25519 key of 31 bytes',
      `ssh-ed25519 ${wire('ssh-ed25519', Buffer.alloc(31, 1)).toString('base64')}`,
      'not a valid',
    ],
    ['a JavaScript property', `constructor ${BASE64}`, 'not an OpenSSH'],
  ])('refuses %s with the reason', (_, text, reason) => {
    expect(problemOf(text)).toContain(reason);
  });

  it('never repeats the text in a reason', () => {
    expect(problemOf('hunter2 correct horse battery')).not.toMatch(/hunter2|horse/);
  });

  it('lets only one type and base64 through, whatever comes in', () => {
    const pieces = fc.constantFrom(
      'ssh-ed25519',
      BASE64,
      ' ',
      '\t',
      '\n',
      '\r',
      '"',
      ',',
      'command="x"',
      '#',
      '\\',
      '=',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, fc.string({ unit: 'binary' })), { maxLength: 8 }), (parts) => {
        const verdict = parsePublicKey(parts.join(''));
        if (verdict.ok)
          expect(`${verdict.key.type} ${verdict.key.base64}`).toMatch(/^[a-z0-9@.-]+ [A-Za-z0-9+/]+=*$/);
      }),
    );
  });
});
