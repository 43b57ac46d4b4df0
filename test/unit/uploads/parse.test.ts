import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeName, wholeLetters } from '../../../agent/uploads/file-name.ts';
import { parseMessage } from '../../../agent/uploads/parse.ts';

const sftp = (message: string) => parseMessage('internal-sftp', message);

describe('lines recorded from OpenSSH 9.2', () => {
  it.each([
    [
      'session opened for local user alice from [127.0.0.1]',
      { kind: 'session-opened', user: 'alice', address: '127.0.0.1' },
    ],
    [
      'session closed for local user al-ice_1 from [fe80::1%eth0]',
      { kind: 'session-closed', user: 'al-ice_1', address: 'fe80::1%eth0' },
    ],
    [
      'open "/upload/a.bin" flags WRITE,CREATE,TRUNCATE mode 0644',
      { kind: 'opened', name: '/upload/a.bin', writes: true, fresh: true },
    ],
    [
      'open "/upload/r2.bin" flags WRITE,APPEND,CREATE mode 0644',
      { kind: 'opened', name: '/upload/r2.bin', writes: true, fresh: false },
    ],
    [
      'open "/upload/a.bin" flags READ mode 0666',
      { kind: 'opened', name: '/upload/a.bin', writes: false, fresh: false },
    ],
    [
      'close "/upload/a.bin" bytes read 0 written 300000',
      { kind: 'closed', name: '/upload/a.bin', forced: false, read: 0, written: 300000 },
    ],
    [
      'forced close "/upload/cut.bin" bytes read 0 written 4439040',
      { kind: 'closed', name: '/upload/cut.bin', forced: true, read: 0, written: 4439040 },
    ],
    [
      'posix-rename old "/upload/b.part" new "/upload/b.bin"',
      { kind: 'renamed', targets: [{ from: '/upload/b.part', to: '/upload/b.bin' }], cut: false },
    ],
    ['remove name "/upload/d1/y"', { kind: 'changed', verb: 'remove', name: '/upload/d1/y' }],
    ['mkdir name "/upload/d1" mode 0777', { kind: 'changed', verb: 'mkdir', name: '/upload/d1' }],
    ['rmdir name "/upload/d1"', { kind: 'changed', verb: 'rmdir', name: '/upload/d1' }],
    ['symlink old "/etc" new "/upload/lnk"', { kind: 'changed', verb: 'symlink', name: '/upload/lnk' }],
    ['set "/upload/a.bin" mode 0600', { kind: 'changed', verb: 'set', name: '/upload/a.bin' }],
    ['sent status Permission denied', { kind: 'status', status: 'Permission denied' }],
    [
      'error: process_write: write "/upload/x": No space left on device',
      { kind: 'write-failed', beginning: '/upload/x', reason: 'No space left on device' },
    ],
    [
      'error: process_read: read "/upload/x": Transport endpoint is not connected',
      { kind: 'read-failed', beginning: '/upload/x', reason: 'Transport endpoint is not connected' },
    ],
    ['stat name "/upload/."', { kind: 'other' }],
    ['Changed root directory to "/mnt/alice"', { kind: 'other' }],
  ])('%s', (message, event) => {
    expect(sftp(message)).toEqual(event);
  });

  it.each([
    [
      'Accepted publickey for alice from 127.0.0.1 port 50252 ssh2: ED25519 SHA256:Tp8VENKkxdB3E9Qkv0VeY9fyXtzAGtRhFtPhmpzOoQk',
      {
        kind: 'accepted',
        method: 'publickey',
        user: 'alice',
        address: '127.0.0.1',
        port: 50252,
        fingerprint: 'SHA256:Tp8VENKkxdB3E9Qkv0VeY9fyXtzAGtRhFtPhmpzOoQk',
      },
    ],
    [
      'Failed none for invalid user root from 10.0.0.9 port 22 ssh2',
      {
        kind: 'failed',
        method: 'none',
        user: 'root',
        address: '10.0.0.9',
        port: 22,
        fingerprint: null,
      },
    ],
    [
      'Connection closed by authenticating user alice 127.0.0.1 port 43878 [preauth]',
      { kind: 'gave-up', user: 'alice', address: '127.0.0.1', port: 43878 },
    ],
  ])('%s', (message, event) => {
    expect(parseMessage('sshd-session', message)).toEqual(event);
  });
});

describe('the monitor’s dialect', () => {
  it.each(['sshd', 'sshd-session'])('reads lines of %s with their suffix', (identifier) => {
    expect(parseMessage(identifier, 'close "/a" bytes read 0 written 3 [postauth]')).toMatchObject({
      kind: 'closed',
      name: '/a',
      written: 3,
    });
  });
  it('undoes the second encoding of what the monitor passes on', () => {
    expect(
      parseMessage('sshd', 'open "/upload/gr\\\\303\\\\274n\\\\\\\\x" flags READ mode 0666 [postauth]'),
    ).toMatchObject({ name: '/upload/gr\\303\\274n\\\\x' });
    // Recorded from OpenSSH 9.2, of a login as `grün\\x`: once through the monitor, and once by sshd itself.
    const user = 'gr\\303\\274n\\\\x';
    expect(
      parseMessage(
        'sshd',
        'Connection closed by invalid user gr\\\\303\\\\274n\\\\\\\\x 127.0.0.1 port 40414 [preauth]',
      ),
    ).toMatchObject({ kind: 'gave-up', user });
    expect(
      parseMessage('sshd', `Failed none for invalid user ${user} from 127.0.0.1 port 40414 ssh2`),
    ).toMatchObject({ user });
  });
  it('knows a cut line by the length that it had, and half a backslash at its end', () => {
    const open = `open "/${'\\\\303\\\\266'.repeat(60)}`.slice(0, 500);
    expect(open.endsWith('3') || open.endsWith('\\')).toBe(true);
    const event = parseMessage('sshd-session', open);
    expect(event).toMatchObject({ kind: 'cut-open' });
    const { beginning } = event as Extract<typeof event, { kind: 'cut-open' }>;
    expect(decodeName(wholeLetters(beginning))).toMatch(/^\/ö{49}$/);
  });
  it('takes no other program’s lines, and none from before authentication', () => {
    expect(parseMessage('sudo', 'close "/a" bytes read 0 written 3')).toEqual({ kind: 'other' });
    expect(parseMessage('sshd', 'close "/a" bytes read 0 written 3 [preauth]')).toEqual({ kind: 'other' });
  });
});

describe('names chosen to confuse', () => {
  it('takes the numbers at the end, not those in the name', () => {
    expect(sftp('close "a" bytes read 0 written 999" bytes read 0 written 7')).toMatchObject({
      name: 'a" bytes read 0 written 999',
      written: 7,
    });
  });
  it('takes the flags at the end, not those in the name', () => {
    expect(sftp('open "x" flags WRITE,TRUNCATE mode 0644" flags READ mode 0666')).toMatchObject({
      name: 'x" flags WRITE,TRUNCATE mode 0644',
      writes: false,
    });
  });
  it('gives every reading of a rename with quotes in its names', () => {
    expect(sftp('rename old "a" new "b" new "c"')).toMatchObject({
      targets: [
        { from: 'a', to: 'b" new "c' },
        { from: 'a" new "b', to: 'c' },
      ],
    });
  });
  it('is not led astray by a stranger’s user name', () => {
    const message =
      'Failed publickey for invalid user x from 1.2.3.4 port 5 ssh2 from 10.0.0.9 port 44 ssh2: RSA SHA256:abc';
    expect(parseMessage('sshd', message)).toMatchObject({ address: '10.0.0.9', port: 44 });
    const line = 'Invalid user open "/upload/x" flags WRITE,CREATE,TRUNCATE mode 0644 from 1.2.3.4 port 5';
    expect(parseMessage('sshd', line)).toEqual({ kind: 'other' });
  });
  it.each([
    ['x from 10.0.0.1 port 22 ssh2', { kind: 'failed', user: 'alice', address: '203.0.113.9', port: 40000 }],
    // It reads in two ways, and neither can be known to be sshd's.
    ['x from 10.0.0.1 port 22 ssh2: RSA-CERT SHA256:y ID z', { kind: 'other' }],
  ])('is not led astray by the text of a stranger’s certificate: %s', (id, event) => {
    const key = `ED25519-CERT SHA256:47DE ID ${id} (serial 0) CA ED25519 SHA256:47DE`;
    const message = `Failed publickey for alice from 203.0.113.9 port 40000 ssh2: ${key}`;
    expect(parseMessage('sshd', message)).toMatchObject(event);
  });
  it('reads any name back, whatever it holds', () => {
    const piece = fc.constantFrom(
      '" flags ',
      '" bytes read ',
      ' written 5',
      '"',
      '\\303\\274',
      'a',
      ' mode 0644',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), fc.nat(), fc.nat(), (pieces, read, written) => {
        const name = pieces.join('');
        expect(sftp(`close "${name}" bytes read ${read} written ${written}`)).toEqual({
          kind: 'closed',
          name,
          forced: false,
          read,
          written,
        });
        expect(sftp(`open "${name}" flags WRITE,CREATE mode 0600`)).toMatchObject({ kind: 'opened', name });
      }),
    );
  });
});

describe('lines that sshd cut at 500 letters', () => {
  const long = `/upload/${'\\303\\274'.repeat(60)}`;
  it('tells an opening whose flags are gone from one whose flags are there', () => {
    expect(sftp(`open "${long}${long}" flags WRITE mode 0644`.slice(0, 500))).toMatchObject({
      kind: 'cut-open',
    });
    const name = 'n'.repeat(463);
    expect(sftp(`open "${name}" flags WRITE,CREATE,TRUNCATE mode 0644`.slice(0, 500).trimEnd())).toEqual({
      kind: 'opened',
      name,
      writes: true,
      fresh: true,
    });
  });
  it('does not believe a number at the very edge, which may lack its last digits', () => {
    const line = `close "${'n'.repeat(469)}" bytes read 0 written 300000`.slice(0, 500);
    expect(line.endsWith('written 3')).toBe(true);
    expect(sftp(line)).toMatchObject({ kind: 'cut-close', forced: false });
  });
  it('knows a rename by its old name when the new one is cut', () => {
    const event = sftp(`posix-rename old "/upload/a.part" new "/upload/${long}"`.slice(0, 500));
    expect(event).toMatchObject({ kind: 'renamed', cut: true, targets: [{ from: '/upload/a.part' }] });
  });
});

it('never throws and never takes long, whatever the line says', () => {
  const word = fc.constantFrom(
    'open "',
    'close "',
    'forced close "',
    'rename old "',
    '" new "',
    '" flags ',
    'WRITE',
    ' mode 0',
    '" bytes read ',
    ' written ',
    'session opened for local user ',
    ' from [',
    ']',
    'Accepted ',
    'Failed ',
    ' for ',
    ' ssh2: ',
    'set "',
    'write "',
    '": ',
    ' [preauth]',
    ' [postauth]',
    'é',
    '\n',
    '9'.repeat(40),
  );
  const message = fc.array(fc.oneof(word, fc.string()), { maxLength: 60 }).map((words) => words.join(''));
  fc.assert(
    fc.property(message, fc.constantFrom('internal-sftp', 'sshd', 'sshd-session'), (text, identifier) => {
      const startedAt = performance.now();
      expect(typeof parseMessage(identifier, text).kind).toBe('string');
      expect(performance.now() - startedAt).toBeLessThan(1_000);
    }),
    { numRuns: 2_000 },
  );
});

describe('a line of the monitor whose suffix is cut', () => {
  it.each([2, 5, 9])('is read as if it were whole with %i letters of it', (letters) => {
    const events = [
      'open "NAME" flags WRITE,CREATE,TRUNCATE mode 0644',
      'close "NAME" bytes read 0 written 12',
      'remove name "NAME"',
      'posix-rename old "/upload/a" new "NAME"',
    ].map((message) => {
      const whole = message.replace('NAME', '/'.padEnd(500 - letters - (message.length - 4), 'n'));
      return parseMessage('sshd-session', `${whole} [postauth]`.slice(0, 500));
    });
    expect(events).toMatchObject([
      { kind: 'opened', writes: true, fresh: true },
      { kind: 'closed', written: 12 },
      { kind: 'changed', verb: 'remove' },
      { kind: 'renamed', cut: false },
    ]);
  });
  it('is not seen in a name that ends like it', () => {
    const name = `/${'n'.repeat(600)}`.slice(0, 500 - 'open "x [post'.length + 1);
    expect(parseMessage('sshd-session', `open "${name} [post`)).toMatchObject({ kind: 'cut-open' });
  });
});
