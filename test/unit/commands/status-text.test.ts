import { describe, expect, it } from 'vitest';
import { render, summary } from '../../../agent/commands/status-text.ts';
import { STATUS } from '../status-fixture.ts';

describe('render', () => {
  it('puts the state and its reasons first', () => {
    const text = render(
      { ...STATUS, state: 'degraded', reasons: ['the mount is hung: no answer'] },
      STATUS.at,
    );
    const [first, second] = text.split('\n');
    expect(first).toMatch(/^state +degraded$/);
    expect(second).toMatch(/- the mount is hung: no answer$/);
  });

  it('says loudly that a status was left by a dead agent', () => {
    expect(render(STATUS, STATUS.at + 11_000)).toMatch(/^state +healthy — NOT RUNNING: last word 11 s ago/);
    expect(render(STATUS, STATUS.at + 2_000)).not.toMatch(/NOT RUNNING/);
  });

  it('says when partners are refused', () => {
    const refused = { ...STATUS, mount: { ...STATUS.mount, health: 'hung' as const, serving: false } };
    expect(render(refused, STATUS.at)).toMatch(/mount +hung since .*partners REFUSED/);
  });

  it('shows a refused configuration and what waits for a restart', () => {
    const config = { path: '/etc/x', problem: 'sshd.port (0) must be at least 1', needsRestart: ['mount'] };
    const text = render({ ...STATUS, config }, STATUS.at);
    expect(text).toMatch(/config +REFUSED: sshd\.port \(0\)/);
    expect(text).toMatch(/mount: takes effect after a restart/);
  });

  it('cuts a long list of problems and says so', () => {
    const problems = Array.from({ length: 25 }, (_, i) => ({
      user: `u${i}`,
      secret: null,
      problem: 'no valid key',
    }));
    const text = render({ ...STATUS, accounts: { ...STATUS.accounts, problems } }, STATUS.at);
    expect(text).toMatch(/u19: no valid key/);
    expect(text).not.toMatch(/u20:/);
    expect(text).toMatch(/5 more/);
  });
});

describe('a mount that could not be brought back', () => {
  const mount = {
    ...STATUS.mount,
    health: 'failed' as const,
    serving: false,
    hint: 'allow TCP 2049',
    nextAttemptAt: Date.parse('2026-11-24T11:12:13.4Z'),
  };
  const status = {
    ...STATUS,
    state: 'degraded' as const,
    reasons: ['the mount is failed: no answer'],
    mount,
  };

  it('is told in one line with what to do and when it is tried next', () => {
    expect(summary(status)).toBe(
      'degraded: the mount is failed: no answer → allow TCP 2049; next attempt at 11:12:13Z; 12 users, 200 uploads',
    );
  });

  it('has the time until the next attempt in the table', () => {
    expect(render(status, mount.nextAttemptAt - 7_200)).toMatch(/next attempt to bring it back in 7 s/);
  });
});

describe('summary', () => {
  it('is one line that names the first reason', () => {
    expect(summary(STATUS)).toBe('healthy; 12 users, 200 uploads');
    expect(summary({ ...STATUS, state: 'degraded', reasons: ['a', 'b'] })).toBe(
      'degraded: a; 12 users, 200 uploads',
    );
  });
});
