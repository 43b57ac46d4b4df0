import { describe, expect, it } from 'vitest';
import { statfsFinding, writeFinding } from '../../../agent/mount/probe-outcome.ts';
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

describe('statfsFinding', () => {
  it.each([
    ['an answer', exited(0), 'none'],
    ['none within the deadline', late, 'hung'],
    ['a lost server', statError('Stale file handle'), 'stale'],
    ['a dead FUSE process', statError('Transport endpoint is not connected'), 'stale'],
    ['an error of the server’s', statError('Input/output error'), 'stale'],
    ['no permission', statError('Permission denied'), 'denied'],
    ['an error that nobody foresaw', statError('Level 3 halted'), 'stale'],
  ] as const)('%s', (_, result, fault) => {
    expect(statfsFinding(result).fault).toBe(fault);
  });
});

describe('writeFinding', () => {
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
    ['a host so slow that it did not begin', late, undefined],
    ['one before it is still there', exited(1, 'Failed: Unit x.service was already loaded.'), undefined],
    ['a report after its first word', exited(0, '', '{"step":"begun"}\n{"step":"done"}'), 'none'],
    ['no report: the namespace was refused', exited(1, 'mount-namespace: no mount'), 'stale'],
    ['a report of another form', exited(0, '', '[]'), 'stale'],
  ] as const)('%s', (_, result, fault) => {
    expect(writeFinding(result)?.fault).toBe(fault);
  });

  it('says at which step it failed', () => {
    expect(writeFinding(report({ step: 'sync', code: 'EIO', message: 'EIO: i/o error' }))?.detail).toBe(
      'the write probe failed to sync: EIO: i/o error',
    );
  });
});
