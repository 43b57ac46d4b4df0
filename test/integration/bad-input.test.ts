import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { POLICY } from '../../agent/host/algorithms.ts';
import type { Bed } from '../bed/boot.ts';
import { sleep, until } from '../bed/command.ts';
import {
  AGENT,
  accountReady,
  agentEvents,
  agentStatus,
  bootWithProduct,
  PREFIX,
  productRpm,
  QUICK_CONFIG,
  startAgent,
  waitHealthy,
} from '../bed/product.ts';

/** What a tired operator, a partner or a bucket writer can get wrong, on purpose or not. */

const CONFIG = '/etc/s3files-sftp/config.toml';
let bed: Bed;

beforeAll(async () => {
  bed = await bootWithProduct(await productRpm());
});
afterAll(async () => await bed?.shutdown());

const login = async (user: string, key: Awaited<ReturnType<Bed['clients']['key']>>) =>
  (await bed.clients.sftp({ user, key }, ['ls'])).code === 0;

describe('a wrong configuration at start', () => {
  test.each([
    ['an unknown key', `${QUICK_CONFIG}\n[sshd]\nprot = 22\n`, /sshd\.prot is not a key/],
    [
      'a wrong type',
      QUICK_CONFIG.replace('poll_seconds = 2', 'poll_seconds = "2"'),
      /users\.poll_seconds \("2"\)/,
    ],
    ['an impossible value', `${QUICK_CONFIG}\n[sshd]\nport = 0\n`, /sshd\.port \(0\) must be at least 1/],
  ])('%s ends the agent with 78 and the fix, and systemd does not try again', async (_, config, said) => {
    await bed.writeFile(CONFIG, config);
    const { code } = await bed.exec(['systemctl', 'start', AGENT]);
    expect(code).not.toBe(0);
    expect(await bed.unit(AGENT, 'ExecMainStatus')).toBe('78');
    await sleep(2_500);
    expect(await bed.unit(AGENT, 'NRestarts')).toBe('0');
    const check = await bed.exec(['s3files-sftp', 'config', 'check']);
    expect(check).toMatchObject({ code: 78, stderr: expect.stringMatching(said) });
    const events = await agentEvents(bed);
    expect(events.at(-1)).toMatchObject({ level: 'fatal', msg: expect.stringMatching(said) });
  });

  test('a file that is missing says what to do', async () => {
    await bed.run(['rm', CONFIG]);
    await bed.exec(['systemctl', 'start', AGENT]);
    expect(await bed.unit(AGENT, 'ExecMainStatus')).toBe('78');
    expect((await agentEvents(bed)).at(-1)).toMatchObject({ hint: expect.stringContaining('write it') });
  });
});

describe('a running host', () => {
  beforeAll(async () => {
    await bed.writeFile(CONFIG, QUICK_CONFIG);
    // A bucket writer was there first: carol's chroot would be the host's root directory.
    await bed.s3files.plantLink('carol', '/');
    await startAgent(bed);
    await waitHealthy(bed);
  });

  test('keeps its configuration when the file turns bad, says so, and takes the mended one', async () => {
    await bed.writeFile(CONFIG, `${QUICK_CONFIG}\nnonsense = 1\n`);
    await until('the refusal', async () => (await agentStatus(bed)).config.problem !== null);
    const text = (await bed.exec(['s3files-sftp', 'status'])).stdout;
    expect(text).toMatch(/REFUSED: .*nonsense is not a key/);
    expect((await agentStatus(bed)).state).toBe('healthy');
    await bed.writeFile(CONFIG, QUICK_CONFIG);
    await until('the mended file', async () => (await agentStatus(bed)).config.problem === null);
  });

  test('a secret that can’t be parsed hurts only its user, is named without its value, and removes nobody', async () => {
    const key = await bed.clients.key('good');
    await bed.aws.putSecret(`${PREFIX}good`, { publicKeys: [key.publicKey] });
    await bed.aws.putSecret(`${PREFIX}bad`, '{"publicKeys": ["hunter2-is-no-key"');
    await accountReady(bed, 'good');
    const problem = async () => (await agentStatus(bed)).accounts.problems.length > 0;
    await until('the problem to be told', problem, { timeoutMs: 15_000 });
    const { accounts } = await agentStatus(bed);
    expect(accounts).toMatchObject({ active: 1, held: 1, problems: [{ secret: `${PREFIX}bad` }] });
    expect(await login('good', key)).toBe(true);
    // Its last good keys stay when a secret that worked turns bad.
    await bed.aws.putSecret(`${PREFIX}good`, 'not json any more: hunter2');
    await until('both problems', async () => (await agentStatus(bed)).accounts.held === 2, {
      timeoutMs: 15_000,
    });
    expect(await login('good', key)).toBe(true);
    expect(JSON.stringify(await bed.journal({ unit: AGENT }))).not.toContain('hunter2');
    await bed.aws.putSecret(`${PREFIX}good`, { publicKeys: [key.publicKey] });
    await bed.aws.deleteSecret(`${PREFIX}bad`, { force: true });
    await until('no problem', async () => (await agentStatus(bed)).accounts.held === 0, {
      timeoutMs: 15_000,
    });
  });

  test('a planted link is never followed: the user is refused and told, nobody else is hurt', async () => {
    const key = await bed.clients.key('carol');
    // The link's target: nothing may appear in it, nor its owner or mode change.
    const target = async () =>
      (await bed.run(['ls', '-A', '/'])) + (await bed.run(['stat', '-c', '%u:%g %a', '/', '/dev']));
    const before = await target();
    await bed.aws.putSecret(`${PREFIX}carol`, { publicKeys: [key.publicKey] });
    const told = async () =>
      (await agentStatus(bed)).accounts.problems.some(({ user }: { user: string }) => user === 'carol');
    await until('carol’s problem', told, { timeoutMs: 20_000 });
    expect(await login('carol', key)).toBe(false);
    expect(await target()).toBe(before);
    await bed.aws.deleteSecret(`${PREFIX}carol`, { force: true });
  });

  test('names that would be options, paths or the host’s own accounts get none, alone or in a bundle', async () => {
    const key = await bed.clients.key('names');
    const user = { publicKeys: [key.publicKey] };
    const state = async () =>
      await bed.run([
        'sh',
        '-c',
        'cat /etc/passwd /etc/group /etc/shadow; ls -A / /etc; ls -lA /etc/s3files-sftp/keys /home/sftp',
      ]);
    const before = await state();
    const alone = ['root', 'acme.corp', 'disk', 'a'.repeat(32)];
    const bundled = ['-rf', '--help', '../x', 'a/b', 'a\nb', 'ec2-user', 'wheel', '*', '', '__proto__'];
    for (const name of alone) await bed.aws.putSecret(`${PREFIX}${name}`, user);
    const users = Object.fromEntries(bundled.map((name) => [name, user]));
    await bed.aws.putSecret(`${PREFIX}bundle`, { users });
    const refused = alone.length + bundled.length;
    await until('the refusals', async () => (await agentStatus(bed)).accounts.held === refused, {
      timeoutMs: 60_000,
    });
    expect(await state()).toBe(before);
    expect([await login('root', key), await login('ec2-user', key)]).toEqual([false, false]);
    const told = (await agentStatus(bed)).accounts.problems as readonly { user: string; problem: string }[];
    const why = new Map(told.map(({ user: name, problem }) => [name, problem]));
    expect(why.get('-rf')).toMatch(/begins with a digit or "-"/);
    expect(why.get('../x')).toMatch(/holds "\."/);
    expect(why.get('a\\u000ab')).toMatch(/something other/);
    expect(why.get('ec2-user')).toMatch(/reserved/);
    for (const name of [...alone, 'bundle']) await bed.aws.deleteSecret(`${PREFIX}${name}`, { force: true });
  });

  test('JSON that is deep, huge, a list or a number costs nobody anything, and the agent no restart', async () => {
    const key = await bed.clients.key('good-json');
    await bed.aws.putSecret(`${PREFIX}good`, { publicKeys: [key.publicKey] });
    const pid = await bed.unit(AGENT, 'MainPID');
    const [deep, wide] = [5_200, 5_600];
    const hostile = {
      deep: `${'{"a":'.repeat(deep)}{${'"b":1,'.repeat(wide)}"c":1}${'}'.repeat(deep)}`,
      brackets: '['.repeat(60_000),
      huge: JSON.stringify({ publicKeys: ['x'.repeat(60_000)] }),
      list: '[]',
      number: '7',
      nothing: 'null',
    };
    for (const [name, text] of Object.entries(hostile))
      await bed.aws.putSecret(`${PREFIX}json-${name}`, text);
    const count = Object.keys(hostile).length;
    await until('the refusals', async () => (await agentStatus(bed)).accounts.held === count, {
      timeoutMs: 60_000,
    });
    await until('the good one', async () => await login('good', key), { timeoutMs: 15_000, everyMs: 500 });
    expect([await bed.unit(AGENT, 'MainPID'), await bed.unit(AGENT, 'NRestarts')]).toEqual([pid, '0']);
    for (const name of Object.keys(hostile))
      await bed.aws.deleteSecret(`${PREFIX}json-${name}`, { force: true });
    await until('no problem', async () => (await agentStatus(bed)).accounts.held === 0, {
      timeoutMs: 15_000,
    });
  });

  test('a secret that says only that its user is off ends the sessions, and one that is whole lets it in again', async () => {
    const key = await bed.clients.key('off');
    const whole = { publicKeys: [key.publicKey] };
    await bed.aws.putSecret(`${PREFIX}olga`, whole);
    await accountReady(bed, 'olga');
    const session = await bed.clients.connect({ user: 'olga', key });
    // In a hurry, and with a slip.
    await bed.aws.putSecret(`${PREFIX}olga`, {
      enabled: false,
      publicKeys: ['revoked'],
      comment: 'call Bob',
    });
    await session.closed;
    expect(await login('olga', key)).toBe(false);
    // The session ends in the middle of the pass that tells why.
    const told = async () =>
      (await agentStatus(bed)).accounts.problems.some(({ user }: { user: string }) => user === 'olga');
    await until('what is wrong with the secret', told, { timeoutMs: 15_000 });
    await bed.aws.putSecret(`${PREFIX}olga`, whole);
    await until('the way back', async () => await login('olga', key), { timeoutMs: 15_000, everyMs: 500 });
    await bed.aws.deleteSecret(`${PREFIX}olga`, { force: true });
    await until('her removal', async () => (await agentStatus(bed)).accounts.active === 1, {
      timeoutMs: 15_000,
    });
  });

  test('throttling in the middle of many pages removes nobody, and is got over', async () => {
    const key = await bed.clients.key('good-pages');
    await bed.aws.putSecret(`${PREFIX}good`, { publicKeys: [key.publicKey] });
    // Two pages of secrets, in which nobody is.
    const pages = Array.from({ length: 120 }, (_, index) => `${PREFIX}page-${index}`);
    for (const name of pages) await bed.aws.putSecret(name, { users: {} });
    await until('the new key', async () => await login('good', key), { timeoutMs: 15_000, everyMs: 500 });
    const listed = async () => (await bed.aws.calls('ListSecrets')).map(({ status }) => status);
    try {
      // The second page, for longer than the client tries again; then batches, for less.
      await bed.aws.fault({ operation: 'ListSecrets', kind: 'throttle', after: 1 });
      const before = (await listed()).length;
      await bed.run(['systemctl', 'restart', AGENT]);
      await until('the second page to be refused', async () => (await listed()).slice(before).includes(400), {
        timeoutMs: 15_000,
      });
      const isServed = async () => (await agentStatus(bed)).accounts.active === 1;
      await until('the pass that could not list them', isServed, { timeoutMs: 60_000 });
      expect(await login('good', key)).toBe(true);
      await bed.aws.clearFaults();
      await bed.aws.fault({ operation: 'BatchGetSecretValue', kind: 'throttle', after: 3, count: 3 });
      await until('a sync', async () => (await bed.exec(['s3files-sftp', 'sync'])).code === 0, {
        timeoutMs: 60_000,
        everyMs: 500,
      });
      const batches = (await bed.aws.calls('BatchGetSecretValue')).map(({ status }) => status);
      expect(batches.filter((status) => status === 400)).toHaveLength(3);
      expect(await login('good', key)).toBe(true);
    } finally {
      await bed.aws.clearFaults();
      for (const name of pages) await bed.aws.deleteSecret(name, { force: true });
    }
  });

  test('AWS out of reach removes nobody, and a restart of the agent without AWS neither', async () => {
    const key = await bed.clients.key('good-2');
    await bed.aws.putSecret(`${PREFIX}good`, { publicKeys: [key.publicKey] });
    await until('the new key', async () => await login('good', key), { timeoutMs: 15_000, everyMs: 500 });
    await bed.aws.unreachable();
    try {
      await sleep(5_000);
      expect(await login('good', key)).toBe(true);
      await bed.run(['systemctl', 'restart', AGENT]);
      await sleep(5_000);
      expect(await login('good', key)).toBe(true);
      expect((await agentStatus(bed)).accounts.active).toBe(1);
    } finally {
      await bed.aws.reachable();
    }
  });

  test('SIGTERM drains within five seconds, and the partners’ sessions go on', async () => {
    const key = await bed.clients.key('good-3');
    await bed.aws.putSecret(`${PREFIX}good`, { publicKeys: [key.publicKey] });
    await until('the new key', async () => await login('good', key), { timeoutMs: 20_000, everyMs: 500 });
    const session = await bed.clients.connect({ user: 'good', key });
    const began = performance.now();
    await bed.run(['systemctl', 'stop', AGENT]);
    expect(performance.now() - began).toBeLessThan(5_000);
    await session.put('/upload/while-stopped.txt', 'counted later');
    const stopped = await bed.exec(['s3files-sftp', 'status']);
    expect(stopped).toMatchObject({ stdout: expect.stringMatching(/^state +stopped/) });
    await bed.run(['systemctl', 'start', AGENT]);
    await waitHealthy(bed);
    const counted = async () =>
      (await agentEvents(bed)).some(
        ({ path, msg }) => path === '/upload/while-stopped.txt' && msg === 'upload complete',
      );
    await until('the upload to be counted', counted, { timeoutMs: 15_000 });
    session.end();
  });

  test('SIGTERM ends the agent within five seconds while the mount hangs, and a new one brings it back', async () => {
    await bed.faults.stopProxy();
    await sleep(1_500);
    const began = performance.now();
    await bed.run(['systemctl', 'stop', AGENT]);
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(await bed.unit(AGENT, 'Result')).toBe('success');
    expect((await bed.exec(['s3files-sftp', 'status'])).stdout).toMatch(/^state +stopped/);
    await startAgent(bed);
    await waitHealthy(bed, 60);
  });

  test('the status is for everybody, the commands for root alone', async () => {
    const status = await bed.exec(['s3files-sftp', 'status'], { user: 'nobody' });
    expect(status).toMatchObject({ code: 0, stdout: expect.stringMatching(/^state +healthy/) });
    const sync = await bed.exec(['s3files-sftp', 'sync'], { user: 'nobody' });
    expect(sync).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('only root may command the agent'),
    });
    expect(await bed.exec(['s3files-sftp', 'sync'])).toMatchObject({
      code: 0,
      stdout: '1 accounts can log in\n',
    });
    expect((await bed.exec(['s3files-sftp', 'plan'])).stdout).toMatch(/nothing to do/);
    expect((await bed.exec(['s3files-sftp', 'frobnicate'])).code).toBe(64);
  });

  test('doctor finds a sound host sound, and names what is wrong with one that is not', async () => {
    const sound = await bed.exec(['s3files-sftp', 'doctor']);
    expect(sound.stdout).not.toMatch(/^FAIL/m);
    expect(sound.code).toBe(0);
    // What sshd itself understood: nothing of the policy was unknown to it, and nothing was added.
    const effective = await bed.run(['/usr/sbin/sshd', '-T', '-f', '/run/s3files-sftp/sshd_config']);
    expect(effective).toContain(`\nciphers ${POLICY.ciphers.join(',')}\n`);
    expect(effective).toMatch(/^disableforwarding yes$/m);
    await bed.writeFile('/root/.aws/credentials', '[default]\naws_access_key_id = STALE\n');
    const sick = await bed.exec(['s3files-sftp', 'doctor']);
    expect(sick.code).toBe(1);
    expect(sick.stdout).toMatch(/^FAIL +credentials in root’s home/m);
    await bed.run(['rm', '/root/.aws/credentials']);
  });

  test('removing the package refuses partners and keeps accounts and files', async () => {
    await bed.run(['dnf', '--assumeyes', 'remove', 's3files-sftp-agent'], { timeoutMs: 60_000 });
    expect(await bed.unit('s3files-sftp-sshd.service', 'ActiveState')).not.toBe('active');
    expect((await bed.exec(['getent', 'passwd', 'good'])).code).toBe(0);
    expect((await bed.s3files.read('good/upload/while-stopped.txt')).toString()).toBe('counted later');
  });
});
