import { describe, expect, it } from 'vitest';
import { createKeyCheck } from '../../../agent/accounts/key-check.ts';
import { parsePublicKey } from '../../../agent/accounts/public-key.ts';
import { type Argv, exec } from '../../../agent/os/exec.ts';
import { ed25519Line, rsaLine, wire } from './keys.ts';

function keyOf(line: string) {
  const verdict = parsePublicKey(line);
  if (!verdict.ok) throw new Error(verdict.problem);
  return verdict.key;
}

describe('createKeyCheck', () => {
  it('lets ssh-keygen have the last word, one run for all and none for what it said before', async () => {
    const runs: Argv[] = [];
    const check = createKeyCheck({
      exec: (argv, options) => {
        runs.push(argv);
        return exec(argv, options);
      },
    });
    // A point that is on no curve: well-formed to every parser that does not compute.
    const sk = 'sk-ecdsa-sha2-nistp256@openssh.com';
    const bad = keyOf(`${sk} ${wire(sk, 'nistp256', Buffer.alloc(65, 4), 'ssh:').toString('base64')}`);
    const keys = [keyOf(ed25519Line()), keyOf(rsaLine(3072)), bad];
    expect(await check(keys)).toEqual(new Set([bad.fingerprint]));
    expect(await check([...keys].reverse())).toEqual(new Set([bad.fingerprint]));
    expect(runs).toHaveLength(1);
  });

  it('throws when the tool itself fails, instead of refusing everybody’s keys', async () => {
    const check = createKeyCheck({
      exec: async () => ({ outcome: 'exited', code: 255, stdout: '', stderr: 'oops' }),
    });
    await expect(check([keyOf(ed25519Line())])).rejects.toThrow('check keys with ssh-keygen: exit 255: oops');
  });
});
