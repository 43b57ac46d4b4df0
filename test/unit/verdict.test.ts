import { describe, expect, it } from 'vitest';
import { type Evidence, reasonsAgainst } from '../../agent/verdict.ts';
import { STATUS } from './status-fixture.ts';

const NOW = STATUS.at;
const healthy: Evidence = { ...STATUS, sshdActive: true };

describe('reasonsAgainst', () => {
  it('finds none when partners are served', () => {
    expect(reasonsAgainst(healthy, NOW, 60_000)).toEqual([]);
  });

  it.each<[string, Partial<Evidence>, RegExp]>([
    [
      'a sick mount',
      { mount: { ...STATUS.mount, health: 'hung', serving: false, detail: 'no answer' } },
      /mount is hung: no answer/,
    ],
    [
      'maintenance',
      { mount: { ...STATUS.mount, health: 'maintenance', serving: false, refused: true } },
      /maintenance is on: partners are refused/,
    ],
    [
      'maintenance before the last partner is gone',
      { mount: { ...STATUS.mount, health: 'maintenance', serving: false, refused: false } },
      /maintenance is on: partners are being refused/,
    ],
    [
      'a mount helper without its watchdog',
      { mount: { ...STATUS.mount, helperProblem: 'its watchdog is not running' } },
      /watchdog is not running: a dead tunnel/,
    ],
    ['a dead sshd', { sshdActive: false }, /sshd is not running/],
    ['a stuck loop', { loops: [{ name: 'metrics', alive: false }] }, /metrics loop is stuck/],
    ['no sync yet', { accounts: { ...STATUS.accounts, lastSuccessAt: null } }, /not been synced yet/],
    [
      'an old sync',
      { accounts: { ...STATUS.accounts, lastSuccessAt: NOW - 301_000 } },
      /last synced 301 s ago/,
    ],
    [
      'an unread log',
      { uploads: { ...STATUS.uploads, following: false } },
      /log of uploads is not being read/,
    ],
  ])('names %s', (_, change, expected) => {
    const reasons = reasonsAgainst({ ...healthy, ...change }, NOW, 60_000);
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toMatch(expected);
  });

  it('puts what partners feel first', () => {
    const all = reasonsAgainst(
      {
        ...healthy,
        mount: { ...STATUS.mount, serving: false },
        uploads: { ...STATUS.uploads, following: false },
      },
      NOW,
      60_000,
    );
    expect(all[0]).toMatch(/mount/);
    expect(all).toHaveLength(2);
  });

  it('forgives missed polls of a short period', () => {
    const accounts = { ...STATUS.accounts, lastSuccessAt: NOW - 59_000 };
    expect(reasonsAgainst({ ...healthy, accounts }, NOW, 2000)).toEqual([]);
  });

  it('does not hold one user’s broken secret against the host', () => {
    const accounts = {
      ...STATUS.accounts,
      held: 1,
      problems: [{ user: 'acme', secret: 's', problem: 'no key' }],
    };
    expect(reasonsAgainst({ ...healthy, accounts }, NOW, 60_000)).toEqual([]);
  });
});
