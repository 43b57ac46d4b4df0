import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { Argv, ExecResult } from '../../../agent/os/exec.ts';
import { linesNotWritten } from '../../../agent/uploads/own-log.ts';
import type { LogLine } from '../../../agent/uploads/state.ts';
import { T0 } from './journal-fixture.ts';

const log = pino({ level: 'silent' });
const line = (id: string): LogLine => ({ level: 'info', message: 'm', fields: { 'event-id': id } });

function journalctl(answer: ExecResult) {
  const calls: Argv[] = [];
  const exec = async (argv: Argv): Promise<ExecResult> => {
    calls.push(argv);
    return argv.includes('--sync') ? { outcome: 'exited', code: 0, stdout: '', stderr: '' } : answer;
  };
  return { exec, calls };
}

it('gives the lines of the last commit that the log does not hold', async () => {
  const stdout = `{"event-id":"a","msg":"m"}\nStarting…\n{"event-id":"b","msg":"cut of\n`;
  const { exec, calls } = journalctl({ outcome: 'exited', code: 0, stdout, stderr: '' });
  const missing = await linesNotWritten({ at: T0, lines: [line('a'), line('b'), line('c')] }, { exec, log });
  expect(missing.map(({ fields }) => fields['event-id'])).toEqual(['b', 'c']);
  expect(calls[0]).toContain('--sync');
  expect(calls[1]).toContain('--unit=s3files-sftp-agent.service');
});

it('asks nothing when nothing can be missing', async () => {
  const { exec, calls } = journalctl({ outcome: 'unstartable', cause: new Error('no') });
  expect(await linesNotWritten({ at: T0, lines: [] }, { exec, log })).toEqual([]);
  expect(calls).toEqual([]);
});

it('writes all of them where the journal gives no answer: twice is better than never', async () => {
  const { exec } = journalctl({ outcome: 'exited', code: 1, stdout: '', stderr: 'no' });
  expect(await linesNotWritten({ at: T0, lines: [line('a')] }, { exec, log })).toHaveLength(1);
});
