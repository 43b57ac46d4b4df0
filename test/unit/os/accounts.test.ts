import { describe, expect, it } from 'vitest';
import { createAccounts, setPasswords } from '../../../agent/os/accounts.ts';
import type { Exec } from '../../../agent/os/exec.ts';

/** A tool that fails whenever its input names one of these, and does nothing at all then, as both tools do. */
function toolFailingFor(bad: readonly string[]) {
  const done: string[] = [];
  const inputs: string[] = [];
  const exec: Exec = async (_argv, { input = '' } = {}) => {
    inputs.push(input);
    const failed = bad.find((name) => new RegExp(`\\b${name}\\b`).test(input));
    if (failed !== undefined) return { outcome: 'exited', code: 1, stdout: '', stderr: `bad ${failed}` };
    done.push(...[...input.matchAll(/^(?:u )?(user\d+)[ :]/gm)].map(([, name = '']) => name));
    return { outcome: 'exited', code: 0, stdout: '', stderr: '' };
  };
  return { exec, done, inputs, root: '/' };
}
const users = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ user: `user${index}`, uid: 200_000 + index }));

describe('a batch', () => {
  it('says exactly which user the tool fails for, and does all others', async () => {
    const tool = toolFailingFor(['user3', 'user17']);
    const failures = await createAccounts(users(20), tool);
    expect(failures.map(({ user }) => user)).toEqual(['user3', 'user17']);
    expect(tool.done).toHaveLength(18);
  });

  it('gives up on a tool that fails by itself, without asking it for each of 10,000 users', async () => {
    const tool = toolFailingFor(['user\\d+']);
    const list = users(10_000).map(({ user }) => ({ user, locked: false }));
    expect(await setPasswords(list, tool)).toHaveLength(10_000);
    expect(tool.inputs.length).toBeLessThan(64);
  });

  it('of none starts nothing', async () => {
    const tool = toolFailingFor([]);
    expect(await createAccounts([], tool)).toEqual([]);
    expect(tool.inputs).toEqual([]);
  });

  it('names uid, private group, home, shell and marker group, and passwords as they are', async () => {
    const tool = toolFailingFor([]);
    await createAccounts(users(1), tool);
    await setPasswords(
      [
        { user: 'user0', locked: false },
        { user: 'user1', locked: true },
      ],
      tool,
    );
    expect(tool.inputs).toEqual([
      'g s3files-sftp -\ng user0 200000\nu user0 200000:200000 "s3files-sftp partner" / /sbin/nologin\nm user0 s3files-sftp\n',
      'user0:*\nuser1:!*\n',
    ]);
  });
});
