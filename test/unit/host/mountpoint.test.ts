import { describe, expect, it } from 'vitest';
import { ensureMountpoint } from '../../../agent/host/mountpoint.ts';
import type { Exec, ExecResult } from '../../../agent/os/exec.ts';

const exited = (stdout: string, code = 0, stderr = ''): ExecResult => ({
  outcome: 'exited',
  code,
  stdout,
  stderr,
});

/** A host that answers each program as given; what changed something is remembered. */
function hostWith(answers: Partial<Record<'find' | 'mkdir' | 'lsattr' | 'chattr', ExecResult>>) {
  const changes: string[] = [];
  const exec: Exec = async (argv) => {
    const line = argv.join(' ');
    if (argv[0] === 'find') return answers.find ?? exited('');
    if (argv[0] === 'lsattr') return answers.lsattr ?? exited('--------------e------- /home/sftp\n');
    const outside = line.slice(line.indexOf(' -- ') + 4);
    changes.push(outside);
    const program = outside.startsWith('mkdir') ? 'mkdir' : 'chattr';
    return answers[program] ?? exited('');
  };
  return { exec, changes };
}

describe('ensureMountpoint', () => {
  it('makes the directory and makes it immutable', async () => {
    const { exec, changes } = hostWith({ find: exited('', 1, 'find: No such file or directory') });
    expect(await ensureMountpoint('/home/sftp', exec)).toBeUndefined();
    expect(changes).toEqual(['mkdir --parents --mode=0755 -- /home/sftp', 'chattr +i -- /home/sftp']);
  });

  it('leaves alone what is as it should be', async () => {
    const { exec, changes } = hostWith({ lsattr: exited('----i---------e------- /home/sftp\n') });
    expect(await ensureMountpoint('/home/sftp', exec)).toBeUndefined();
    expect(changes).toEqual([]);
  });

  it('is not misled by an "i" in the path', async () => {
    const { exec, changes } = hostWith({ lsattr: exited('---------------------- /srv/sift\n') });
    await ensureMountpoint('/srv/sift', exec);
    expect(changes).toEqual(['chattr +i -- /srv/sift']);
  });

  it('refuses a directory that holds something, and changes nothing', async () => {
    const { exec, changes } = hostWith({ find: exited('/home/sftp/acme\n') });
    const refused = ensureMountpoint('/home/sftp', exec);
    await expect(refused).rejects.toThrow(/not empty.*acme/);
    await expect(refused).rejects.toMatchObject({ hint: expect.stringContaining('move') });
    expect(changes).toEqual([]);
  });

  it('refuses when it could not look', async () => {
    const late: ExecResult = {
      outcome: 'timeout',
      timeoutMs: 5000,
      stdout: '',
      stderr: '',
      reaped: Promise.resolve(),
    };
    const { exec, changes } = hostWith({ find: late });
    await expect(ensureMountpoint('/home/sftp', exec)).rejects.toThrow(/look into/);
    expect(changes).toEqual([]);
  });

  it('says why where the file system has no such attribute, and goes on', async () => {
    const { exec } = hostWith({ chattr: exited('', 1, 'chattr: Operation not supported') });
    expect(await ensureMountpoint('/home/sftp', exec)).toMatch(/not supported/);
  });
});
