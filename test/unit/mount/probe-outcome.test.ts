import { describe, expect, it } from 'vitest';
import { statfsOutcome, writeOutcome } from '../../../agent/mount/probe-outcome.ts';
import type { ExecResult } from '../../../agent/os/exec.ts';

const exited = (code: number, stderr = '', stdout = ''): ExecResult => ({
  outcome: 'exited',
  code,
  stdout,
  stderr,
});
const late: ExecResult = {
  outcome: 'timeout',
  timeoutMs: 4000,
  stdout: '',
  stderr: '',
  reaped: Promise.resolve(),
};
const statError = (text: string) =>
  exited(1, `stat: cannot read file system information for '/home/sftp': ${text}\n`);

describe('statfsOutcome', () => {
  it.each([
    ['an answer', exited(0), 'none'],
    ['none within the deadline', late, 'hung'],
    ['a lost server', statError('Stale file handle'), 'stale'],
    ['a dead FUSE process', statError('Transport endpoint is not connected'), 'stale'],
    ['an error of the server’s', statError('Input/output error'), 'stale'],
    ['no permission', statError('Permission denied'), 'denied'],
    ['an error that nobody foresaw', statError('Level 3 halted'), 'stale'],
  ] as const)('%s', (_, result, fault) => {
    expect(statfsOutcome(result)).toMatchObject({ fault });
  });

  it.each([
    ['killed, as for lack of memory', { outcome: 'signaled', signal: 'SIGKILL', stdout: '', stderr: '' }],
    ['not started, for lack of processes', { outcome: 'unstartable', cause: new Error('spawn EAGAIN') }],
    ['without its libraries', exited(127, 'stat: error while loading shared libraries: libc.so.6: no\n')],
    ['not there', exited(127, '/usr/bin/stat: error while loading shared libraries: libc.so.6\n')],
  ] as const)('takes one that was %s for no word about the mount', (_, result) => {
    expect(statfsOutcome(result)).toEqual({ problem: expect.any(String) });
  });
});

describe('writeOutcome', () => {
  const report = (text: object) => exited(0, '', JSON.stringify(text));

  it.each([
    ['it went through', report({ step: 'done' }), 'none'],
    ['read-only', report({ step: 'create a file', code: 'EROFS', message: 'EROFS: …' }), 'read-only'],
    ['no permission', report({ step: 'create a file', code: 'EACCES' }), 'denied'],
    ['root is nobody there', report({ step: 'write', code: 'EPERM' }), 'denied'],
    ['stale', report({ step: 'sync', code: 'ESTALE' }), 'stale'],
    ['other bytes came back', report({ step: 'read back', message: 'it holds other data' }), 'stale'],
    ['no answer', { ...late, stdout: '{"step":"begun"}\n' }, 'hung'],
    ['no end, killed at its unit’s deadline', exited(1, '', '{"step":"begun"}\n'), 'hung'],
    ['a report after its first word', exited(0, '', '{"step":"begun"}\n{"step":"done"}'), 'none'],
    ['half a line after its first word', exited(1, '', '{"step":"begun"}\n{"st'), 'hung'],
  ] as const)('%s', (_, result, fault) => {
    expect(writeOutcome(result)).toMatchObject({ fault });
  });

  it.each([
    ['a host so slow that it did not begin', late],
    ['one before it is still there', exited(1, 'Failed: Unit x.service was already loaded.')],
    ['PID 1 is not to be reached', exited(1, 'Failed to connect to bus: Connection refused\n')],
    [
      'PID 1 executes itself anew',
      exited(1, 'Failed to start transient service unit: Transport endpoint is not connected\n'),
    ],
    ['Node.js is being upgraded', exited(127, 'node-24: error while loading shared libraries: libnode.so\n')],
    ['the namespace was refused', exited(1, 'mount-namespace: the kernel did not take "nosymfollow"\n')],
    ['a report of another form', exited(0, '', '[]')],
    ['a spawn that failed', { outcome: 'unstartable', cause: new Error('spawn EMFILE') }],
  ] as const)('is no word about the mount: %s', (_, result) => {
    expect(writeOutcome(result)).toEqual({ problem: expect.any(String) });
  });

  it('says at which step it failed', () => {
    expect(writeOutcome(report({ step: 'sync', code: 'EIO', message: 'EIO: i/o error' }))).toMatchObject({
      detail: 'the write probe failed to sync: EIO: i/o error',
    });
  });
});
