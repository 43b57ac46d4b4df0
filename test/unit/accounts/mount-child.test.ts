import { describe, expect, it } from 'vitest';
import { prepareOnMount } from '../../../agent/accounts/mount-child.ts';
import type { MountRequest, MountResult } from '../../../agent/accounts/mount-request.ts';
import type { Argv, Exec } from '../../../agent/os/exec.ts';

const requestFor = (count: number): MountRequest => ({
  uidMin: 200_000,
  uidMax: 299_999,
  mountPoint: true,
  users: Array.from({ length: count }, (_, index) => ({
    user: `user${index}`,
    uid: null,
    directories: ['upload'],
    newcomer: true,
  })),
});

/** Children that answer for all their users, save the nth, which hangs. */
async function run(count: number, { hangs, atOnce }: { hangs?: number; atOnce?: number } = {}) {
  const children: { argv: Argv; request: MountRequest }[] = [];
  const exec: Exec = async (argv, options = {}) => {
    const request = JSON.parse(options.input ?? '') as MountRequest;
    children.push({ argv, request });
    if (children.length === hangs) {
      return { outcome: 'timeout', timeoutMs: 1, stdout: '', stderr: '', reaped: Promise.resolve() };
    }
    const results = request.users.map(({ user }) => ({ user, uid: 200_000, repaired: [] }));
    return { outcome: 'exited', code: 0, stdout: JSON.stringify({ results }), stderr: '' };
  };
  const done: MountResult[] = [];
  const take = async (results: readonly MountResult[]) => void done.push(...results);
  const edges = { exec, selfArgv: ['node', 'main.js'] as const };
  const ending = await prepareOnMount('/mnt', requestFor(count), edges, take, atOnce).then(
    () => null,
    (cause: Error) => cause.message,
  );
  return { children, done: new Set(done.map(({ user }) => user)).size, ending };
}

describe('prepareOnMount', () => {
  it.each([
    [0, 0],
    [1, 1],
    [250, 1],
    [251, 2],
    [10_000, 4],
  ])(
    'for %i users starts %i children, each for its own share and with a time of its own',
    async (count, expected) => {
      const { children, done, ending } = await run(count);
      expect([children.length, done, ending]).toEqual([expected, count, null]);
      for (const { argv, request } of children) {
        expect(request.budgetMs).toBeLessThan(30_000);
        expect(argv).toContain('--property=RuntimeMaxSec=60');
      }
    },
  );

  it('looks after everybody in one child where nobody waits for it', async () => {
    expect((await run(10_000, { atOnce: 1 })).children).toHaveLength(1);
  });

  it('says that a child hung, and keeps what the others have done', async () => {
    const { done, ending } = await run(1_000, { hangs: 2 });
    expect(done).toBe(750);
    expect(ending).toMatch(/^run systemd-run .*no end after/);
  });
});
