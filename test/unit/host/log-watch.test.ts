import { expect, it } from 'vitest';
import { createLogWatch } from '../../../agent/host/log-watch.ts';
import { createLog } from '../../../agent/log.ts';

/** A host whose sessions are heard or not, whose clock moves only while somebody waits. */
function createHost() {
  const host = {
    now: 1_000,
    pid: '7' as string | undefined,
    signature: 'a',
    heard: true,
    readUp: true,
    arranging: false,
    refusal: null as string | null,
    logins: 0,
    lines: [] as Record<string, unknown>[],
  };
  let heardMs = Number.NEGATIVE_INFINITY;
  const watch = createLogWatch(
    {
      sshdPid: () => host.pid,
      login: async () => {
        host.logins += 1;
        if (host.heard) heardMs = host.now;
        return host.refusal;
      },
      heardMs: () => heardMs,
      hasRead: () => host.readUp,
      arrange: async () => {
        host.heard ||= host.arranging;
      },
    },
    {
      now: () => host.now,
      monotonicMs: () => host.now,
      sleep: async (ms) => {
        host.now += ms;
      },
      log: createLog('info', { write: (line) => host.lines.push(JSON.parse(line)) }),
    },
    async () => host.signature,
  );
  return { host, watch };
}

it('logs in once, and again when sshd is another process or another binary', async () => {
  const { host, watch } = createHost();
  await watch.tick();
  await watch.tick();
  expect(watch.report()).toMatchObject({ state: 'heard', provenAt: 1_000, problem: null });
  expect(host.logins).toBe(1);
  host.pid = '8';
  await watch.tick();
  host.signature = 'b';
  await watch.tick();
  await watch.tick();
  expect(host.logins).toBe(3);
});

it('does not log in while the sshd is down', async () => {
  const { host, watch } = createHost();
  host.pid = undefined;
  await watch.tick();
  expect(host.logins).toBe(0);
  expect(watch.report().state).toBe('unproven');
});

it('mends what it may, and is then content', async () => {
  const { host, watch } = createHost();
  Object.assign(host, { heard: false, arranging: true });
  await watch.tick();
  expect(watch.report().state).toBe('heard');
  expect(host.lines).toEqual([]);
});

it('holds MetricsDegraded while nothing is heard, tries once a minute, and takes it back', async () => {
  const { host, watch } = createHost();
  host.heard = false;
  await watch.tick();
  await watch.tick();
  expect(watch.report().state).toBe('silent');
  expect(host.logins).toBe(2);
  host.now += 61_000;
  await watch.tick();
  host.heard = true;
  host.now += 61_000;
  await watch.tick();
  expect(watch.report().state).toBe('heard');
  expect(host.lines.map((line) => line.MetricsDegraded)).toEqual([true, false]);
});

it('logs in again when something arrived without a line, at most once a minute', async () => {
  const { host, watch } = createHost();
  await watch.tick();
  watch.suspect();
  await watch.tick();
  expect(host.logins).toBe(1);
  host.now += 61_000;
  await watch.tick();
  await watch.tick();
  expect(host.logins).toBe(2);
  expect(watch.concludedMs()).toBe(62_000);
});

it('takes a login that fails for no proof of either', async () => {
  const { host, watch } = createHost();
  Object.assign(host, { refusal: 'connect ECONNREFUSED', heard: false });
  await watch.tick();
  expect(watch.report()).toMatchObject({ state: 'unproven', problem: 'connect ECONNREFUSED' });
  expect(host.lines).toMatchObject([{ problem: 'connect ECONNREFUSED' }]);
});

it('concludes nothing while lines wait to be read, and tries again', async () => {
  const { host, watch } = createHost();
  await watch.tick();
  host.now += 1;
  Object.assign(host, { heard: false, readUp: false, pid: '8' });
  await watch.tick();
  expect(watch.report()).toMatchObject({ state: 'heard', problem: expect.stringContaining('not read up') });
  expect(host.lines).toMatchObject([{ level: 'warn' }]);
  host.now += 61_000;
  host.readUp = true;
  await watch.tick();
  expect(watch.report().state).toBe('silent');
});
