import { expect, it } from 'vitest';
import { probeLineOf } from '../../../agent/uploads/probe-lines.ts';
import { createJournal, OPENED, openNew, type Written } from './journal-fixture.ts';

const UID = 993;
const line = (message: string, by: Written) => createJournal().line(message, by);
const SESSION = 'session opened for local user s3files-sftp-probe from [127.0.0.1]';
const LOGIN = 'Accepted publickey for s3files-sftp-probe from 127.0.0.1 port 4 ssh2: ED25519 SHA256:abc';

it('knows a session’s line by its uid, or from the monitor by the name in it', () => {
  expect(probeLineOf(line(SESSION, { uid: UID }), UID)).toBe('session');
  expect(probeLineOf(line(`${SESSION} [postauth]`, { uid: 0, identifier: 'sshd-session' }), UID)).toBe(
    'session',
  );
});

it('does not take sshd’s own line about the login for one: it comes from outside of the chroot', () => {
  expect(probeLineOf(line(LOGIN, { uid: 0, identifier: 'sshd' }), UID)).toBe('login');
});

it('does not let a partner speak for the probe, nor the probe swallow a partner’s lines', () => {
  expect(probeLineOf(line(SESSION, { uid: 230_001 }), UID)).toBeUndefined();
  expect(probeLineOf(line(openNew(SESSION), { uid: 230_001 }), UID)).toBeUndefined();
  expect(probeLineOf(line(OPENED, { uid: 0, identifier: 'sshd' }), UID)).toBeUndefined();
  expect(probeLineOf(line(SESSION, { uid: UID }), undefined)).toBeUndefined();
});

it('leaves the failed logins of strangers under its name to be told as any other’s', () => {
  const failed = (address: string) =>
    line(`Failed publickey for s3files-sftp-probe from ${address} port 4 ssh2: ED25519 SHA256:abc`, {
      uid: 0,
      identifier: 'sshd',
    });
  expect(probeLineOf(failed('203.0.113.9'), UID)).toBeUndefined();
  expect(probeLineOf(failed('127.0.0.1'), UID)).toBe('login');
});
