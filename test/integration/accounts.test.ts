import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bed } from '../bed/boot.ts';
import type { Key } from '../bed/clients.ts';
import { sleep, until } from '../bed/command.ts';
import {
  AGENT,
  accountReady,
  agentEvents,
  agentStatus,
  bootWithProduct,
  PREFIX,
  productRpm,
  SSHD,
  startAgent,
  waitHealthy,
} from '../bed/product.ts';
import { traceWrites } from '../bed/trace-writes.ts';
import { rsaLine } from '../unit/accounts/keys.ts';

/** Users and keys on a real host, with a real sshd to say who may log in. */

const KEYS = '/etc/s3files-sftp/keys';
let bed: Bed;

beforeAll(async () => {
  bed = await bootWithProduct(await productRpm());
  await startAgent(bed);
  await waitHealthy(bed);
});
afterAll(async () => await bed?.shutdown());

const put = async (user: string, ...publicKeys: unknown[]) =>
  await bed.aws.putSecret(`${PREFIX}${user}`, { publicKeys });
const sync = async (...args: string[]) =>
  await bed.exec(['s3files-sftp', 'sync', ...args], { timeoutMs: 60_000 });
const canLogIn = async (user: string, key: Key, localAddress?: string) =>
  (await bed.clients.sftp({ user, key, ...(localAddress !== undefined && { localAddress }) }, ['ls']))
    .code === 0;
/** What a sync of this moment has to say; the status file is up to a second old. */
const problems = async (): Promise<
  readonly { user: string | null; secret: string | null; problem: string }[]
> => JSON.parse((await sync('--json')).stdout).problems;
/** As `date --iso-8601=seconds` in UTC has it. */
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();

describe('a key', () => {
  test('that expires opens nothing more, ends its own sessions within seconds, and leaves the others’', async () => {
    const [short, long] = [await bed.clients.key('short'), await bed.clients.key('long')];
    await put('alice', long.publicKey);
    await sync();
    const kept = await bed.clients.connect({ user: 'alice', key: long });
    const expires = inSeconds(6);
    await put('alice', { key: short.publicKey, expires }, long.publicKey);
    await sync();
    const doomed = await bed.clients.connect({ user: 'alice', key: short });
    await doomed.closed;
    const late = Date.now() - Date.parse(expires);
    // A login at this very moment could be taken for one that read the key file just before it changed.
    await sleep(1_000);
    expect(late).toBeGreaterThan(-1_000);
    expect(late).toBeLessThan(3_000);
    expect([await canLogIn('alice', short), await canLogIn('alice', long)]).toEqual([false, true]);
    expect(await kept.list('/upload')).toEqual([]);
    kept.end();
  });

  test('that expires is refused by sshd itself while the agent is stopped', async () => {
    const key = await bed.clients.key('unattended');
    await put('bert', { key: key.publicKey, expires: inSeconds(5) });
    await sync();
    expect(await canLogIn('bert', key)).toBe(true);
    await bed.run(['systemctl', 'stop', AGENT]);
    try {
      await sleep(5_500);
      expect(await canLogIn('bert', key)).toBe(false);
      expect(await bed.exec(['test', '-s', `${KEYS}/bert`])).toMatchObject({ code: 0 });
    } finally {
      await startAgent(bed);
      await waitHealthy(bed);
    }
  });

  test('opens sessions from its networks only, those of the user and of the key together', async () => {
    const key = await bed.clients.key('networks');
    await bed.aws.putSecret(`${PREFIX}nora`, {
      publicKeys: [{ key: key.publicKey, from: ['127.0.0.2/31'] }],
      allowedNetworks: ['127.0.0.3', '127.0.0.4'],
    });
    await sync();
    const froms = ['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4'];
    const answers = [];
    for (const from of froms) answers.push(await canLogIn('nora', key, from));
    expect(answers).toEqual([false, false, true, false]);
  });

  test('in a form of Transfer Family’s works as it is, several with commas between, with its network', async () => {
    const [one, two] = [await bed.clients.key('tf-1', 'ecdsa'), await bed.clients.key('tf-2')];
    await bed.aws.putSecret(`${PREFIX}SERVER/tia`, {
      SFTPPassword: 'hunter3',
      PublicKey: `${one.publicKey}, ${two.publicKey}`,
      Role: 'arn:aws:iam::123456789012:role/x',
      AcceptedIpNetwork: '127.0.0.0/31',
      HomeDirectoryDetails: JSON.stringify([{ Entry: '/inbox', Target: '/bucket/tia/inbox' }]),
    });
    await sync();
    expect([await canLogIn('tia', one), await canLogIn('tia', two)]).toEqual([true, true]);
    expect(await canLogIn('tia', two, '127.0.0.2')).toBe(false);
    expect((await bed.clients.sftp({ user: 'tia', key: two }, ['cd /inbox', 'pwd'])).stdout).toContain(
      '/inbox',
    );
    expect(JSON.stringify(await bed.journal({ unit: AGENT }))).not.toContain('hunter3');
  });

  test('of a form that is refused reaches no file of keys, and each refusal says why', async () => {
    const good = await bed.clients.key('good-key');
    const [type, blob] = good.publicKey.split(' ');
    const privateKey = await bed.readFile('/etc/s3files-sftp/host-keys/ssh_host_ed25519_key');
    const hostile = {
      newline: `${type} ${blob}\n${good.publicKey}`,
      return: `${type} ${blob}\r${good.publicKey}`,
      nul: `${type} ${blob}\0${good.publicKey}`,
      option: `command="/bin/sh" ${good.publicKey}`,
      small: rsaLine(2048),
      private: privateKey,
      certificate: `ssh-ed25519-cert-v01@openssh.com ${blob}`,
      putty: `PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none`,
      pem: '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----',
      huge: `${type} ${'A'.repeat(50_000)}`,
    };
    for (const [name, text] of Object.entries(hostile)) await put(`key-${name}`, text);
    await put('key-mixed', ...Object.values(hostile).filter((text) => text.length < 5_000), good.publicKey);
    const told = new Map((await problems()).map(({ user, problem }) => [user, problem]));
    expect(told.get('key-newline')).toMatch(/line break/);
    expect(told.get('key-return')).toMatch(/line break/);
    expect(told.get('key-nul')).toMatch(/control character/);
    expect(told.get('key-option')).toMatch(/options before its type/);
    expect(told.get('key-small')).toMatch(/RSA key of 2048 bits; at least 3072/);
    expect(told.get('key-private')).toMatch(/PRIVATE key/);
    expect(told.get('key-certificate')).toMatch(/certificate/);
    expect(told.get('key-putty')).toMatch(/PuTTY/);
    expect(told.get('key-pem')).toMatch(/PEM/);
    expect(told.get('key-huge')).toMatch(/longer than/);
    for (const name of Object.keys(hostile)) {
      expect((await bed.exec(['test', '-e', `${KEYS}/key-${name}`])).code).not.toBe(0);
      await bed.aws.deleteSecret(`${PREFIX}key-${name}`, { force: true });
    }
    // One good key among them counts, on a line of its own, without any of the others' text.
    expect((await bed.readFile(`${KEYS}/key-mixed`)).split('\n').slice(1)).toEqual([
      `restrict ${type} ${blob}`,
      '',
    ]);
    expect(await canLogIn('key-mixed', good)).toBe(true);
    await put('key-mixed', good.publicKey);
    await sync();
  });
});

describe('drift', () => {
  test('of accounts, keys and directories is repaired and told, without touching what lies below', async () => {
    const key = await bed.clients.key('drift');
    await put('dora', key.publicKey);
    await sync();
    await bed.clients.sftp({ user: 'dora', key }, ['mkdir deep']);
    const uid = (await bed.run(['id', '-u', 'dora'])).trim();
    await bed.run(['chown', '12345', '/home/sftp/dora/upload/deep']);
    const events = (await agentEvents(bed)).length;
    await bed.run(['usermod', '-s', '/bin/bash', '-c', 'me', '-a', '-G', 'disk', 'dora']);
    await bed.run(['sh', '-c', 'echo dora:secret | chpasswd']);
    await bed.run(['rm', `${KEYS}/dora`]);
    await bed.run(['chown', 'dora', '/home/sftp/dora', '/home/sftp/dora/dev']);
    await bed.run(['chown', '0', '/home/sftp/dora/upload']);
    await bed.run(['systemctl', 'restart', AGENT]);
    await waitHealthy(bed);
    await until('the repair', async () => await canLogIn('dora', key), { timeoutMs: 15_000, everyMs: 300 });
    expect(await bed.run(['getent', 'passwd', 'dora'])).toBe(
      `dora:x:${uid}:${uid}:s3files-sftp partner:/:/sbin/nologin\n`,
    );
    expect(await bed.run(['id', '-Gn', 'dora'])).toBe('dora s3files-sftp\n');
    expect(await bed.run(['getent', 'shadow', 'dora'])).toMatch(/^dora:\*:/);
    const owners = await bed.run([
      'stat',
      '-c',
      '%u',
      '/home/sftp/dora',
      '/home/sftp/dora/dev',
      '/home/sftp/dora/upload',
    ]);
    expect(owners).toBe(`0\n0\n${uid}\n`);
    expect(await bed.run(['stat', '-c', '%u', '/home/sftp/dora/upload/deep'])).toBe('12345\n');
    const said = (await agentEvents(bed))
      .slice(events)
      .flatMap(({ user, msg }) => (user === 'dora' ? [String(msg)] : []));
    expect(said.join('\n')).toMatch(/account repaired, shell, comment, groups had been changed/);
    expect(said.join('\n')).toMatch(/directories on the mount repaired/);
  });
});

describe('the directory of the key files', () => {
  test.each([
    ['removed', `rm -r ${KEYS}`],
    ['writable for a group', `chmod g+w ${KEYS}`],
    ['somebody else’s', `chown 1000 ${KEYS}`],
    ['a link', `mv ${KEYS} /root/keys-moved && ln -s /root/keys-moved ${KEYS}`],
  ])('that is %s is back with the next pass, and everybody can log in', async (state, damage) => {
    const key = await bed.clients.key(`directory-${state.replaceAll(/\W/g, '-')}`);
    await put('dirk', key.publicKey);
    await sync();
    await bed.run(['sh', '-c', damage]);
    expect(await sync()).toMatchObject({ code: 0 });
    expect(await bed.run(['stat', '-c', '%F %u:%g %a', KEYS])).toBe('directory 0:0 755\n');
    expect(await canLogIn('dirk', key)).toBe(true);
  });
});

describe('what a bucket writer planted before the user was there', () => {
  test('links and foreign owners get nobody in and change nothing elsewhere', async () => {
    const key = await bed.clients.key('planted');
    const bob = await bed.run(['id', '-u', 'dora']);
    await bed.s3files.plantFile('liam/readme', 'x');
    await bed.s3files.plantLink('liam/upload', '/etc');
    await bed.s3files.plantFile('fred/upload/file', 'x');
    await bed.s3files.plantOwner('fred/upload', Number(bob), Number(bob));
    await bed.s3files.plantFile('otto/upload/file', 'x', 234_567);
    await bed.s3files.plantOwner('otto/upload', 234_567, 234_567);
    const etc = async () => await bed.run(['stat', '-c', '%u:%g %a', '/etc', '/etc/passwd']);
    const before = await etc();
    for (const user of ['liam', 'fred', 'otto']) await put(user, key.publicKey);
    const told = new Map((await problems()).map(({ user, problem }) => [user, problem]));
    expect(told.get('liam')).toMatch(/liam\/upload on the mount is a link/);
    expect(told.get('fred')).toMatch(/fred\/upload on the mount belongs to uid \d+ \(dora\)/);
    expect(await etc()).toBe(before);
    expect([await canLogIn('liam', key), await canLogIn('fred', key), await canLogIn('otto', key)]).toEqual([
      false,
      false,
      true,
    ]);
    // What Transfer Family or a person left is taken over by its owner.
    expect(await bed.run(['id', '-u', 'otto'])).toBe('234567\n');
    for (const user of ['liam', 'fred']) await bed.aws.deleteSecret(`${PREFIX}${user}`, { force: true });
    expect(await problems()).toEqual([]);
  });
});

describe('a second pass', () => {
  test('makes no step, starts nothing for accounts and writes nothing', async () => {
    await sync();
    const trace = await traceWrites(bed, async () => {
      expect(await sync()).toMatchObject({ code: 0 });
      expect((await bed.exec(['s3files-sftp', 'plan'])).stdout).toMatch(/nothing to do/);
      await sleep(2_500);
    });
    // The tracer sees writes: the status file is written every second.
    expect(trace.paths.join('\n')).toContain('/run/s3files-sftp/status');
    // And programs: probes of the mount, which are children of the agent.
    expect(trace.programs.join('\n')).toMatch(/^stat .*\/home\/sftp$/m);
    expect(trace.programs.join('\n')).not.toMatch(
      /sysusers|chpasswd|usermod|ssh-keygen|mount-directories|sync$/,
    );
    expect(trace.paths.filter((path) => /^\/etc\/|accounts\.json|\/home\/sftp/.test(path))).toEqual([]);
  });
});

describe('a full disk', () => {
  test('while keys are written costs nobody a key, lets none live on that was revoked, and is made good', async () => {
    const [old, kept, fresh] = await Promise.all(
      ['old', 'kept', 'fresh'].map(async (name) => await bed.clients.key(`full-${name}`)),
    );
    if (!old || !kept || !fresh) throw new Error('no keys');
    await put('frida', old.publicKey, kept.publicKey);
    await put('franz', kept.publicKey);
    await sync();
    await bed.faults.smallDisk(KEYS, 256);
    await bed.faults.fillDisk(KEYS);
    await put('frida', kept.publicKey);
    await put('franz', kept.publicKey, fresh.publicKey);
    expect(await sync()).toMatchObject({ code: 1, stdout: expect.stringMatching(/frida: .*ENOSPC/) });
    expect([
      await canLogIn('frida', old),
      await canLogIn('franz', kept),
      await canLogIn('franz', fresh),
    ]).toEqual([false, true, false]);
    await bed.faults.freeDisk(KEYS);
    await sync();
    expect([await canLogIn('frida', kept), await canLogIn('franz', fresh)]).toEqual([true, true]);
    await bed.run(['sh', '-c', `cp -a ${KEYS} /root/keys && umount ${KEYS} && cp -a /root/keys/. ${KEYS}/`]);
  });

  test('while the ledger is written still revokes, says that the sync failed, and is made good', async () => {
    const [old, kept] = [await bed.clients.key('ledger-old'), await bed.clients.key('ledger-kept')];
    await put('lena', old.publicKey, kept.publicKey);
    await sync();
    await bed.run(['systemctl', 'stop', AGENT]);
    await bed.faults.smallDisk('/var/lib/s3files-sftp', 1024);
    await startAgent(bed);
    await waitHealthy(bed);
    await bed.faults.fillDisk('/var/lib/s3files-sftp');
    await put('lena', kept.publicKey);
    expect(await sync()).toMatchObject({ code: 1, stderr: expect.stringMatching(/accounts\.json.*/) });
    expect([await canLogIn('lena', old), await canLogIn('lena', kept)]).toEqual([false, true]);
    await bed.faults.freeDisk('/var/lib/s3files-sftp');
    expect(await sync()).toMatchObject({ code: 0 });
    expect(await bed.readFile('/var/lib/s3files-sftp/accounts.json')).not.toContain(old.fingerprint);
  });
});

describe('AWS', () => {
  test('away since a start of the host: everybody logs in, and the age of the last sync tells it', async () => {
    const key = await bed.clients.key('lonely');
    await put('lou', key.publicKey);
    await sync();
    const users = (await bed.run(['ls', KEYS])).split('\n').filter(Boolean);
    await bed.aws.unreachable();
    try {
      // What a restart of the host leaves: /etc and /var, without mount, sshd and /run.
      await bed.run(['systemctl', 'stop', AGENT, SSHD]);
      await bed.run(['umount', '/home/sftp']);
      await bed.run([
        'sh',
        '-c',
        'rm -rf /run/s3files-sftp/* /run/systemd/system/*s3files* /run/systemd/system/home-sftp*',
      ]);
      await bed.run(['systemctl', 'daemon-reload']);
      await startAgent(bed);
      await until('the first login', async () => await canLogIn('lou', key), {
        timeoutMs: 30_000,
        everyMs: 500,
      });
      // The sshd may be up before the first pass, which asks AWS for a while, is over.
      const status = await until('everybody in the status', async () => {
        const now = await agentStatus(bed);
        return now.accounts.active === users.length ? now : undefined;
      });
      expect(status.at - status.accounts.lastSuccessAt).toBeGreaterThan(1_000);
    } finally {
      await bed.aws.reachable();
    }
    await until('a sync', async () => (await sync()).code === 0, { timeoutMs: 60_000, everyMs: 500 });
    const ages = await until(
      'ages',
      async () => {
        const points = await bed.aws.metric('AccountSyncAgeSeconds');
        return points.some(({ maximum }) => maximum > 2) ? points : undefined;
      },
      { timeoutMs: 30_000, everyMs: 500 },
    );
    expect(ages.length).toBeGreaterThan(0);
  });

  test('denying 3 secrets of a batch of 20 keeps those three as they are and names them; the others go on', async () => {
    const [old, fresh] = [await bed.clients.key('batch-old'), await bed.clients.key('batch-new')];
    const users = Array.from({ length: 20 }, (_, index) => `batch${index}`);
    const denied = users.slice(4, 7);
    for (const user of users) await put(user, old.publicKey);
    await sync();
    for (const user of users) await put(user, fresh.publicKey);
    await bed.aws.fault({
      operation: 'BatchGetSecretValue',
      kind: 'deny',
      secrets: denied.map((user) => `${PREFIX}${user}`),
    });
    try {
      expect((await problems()).map(({ secret }) => secret).sort()).toEqual(
        denied.map((user) => `${PREFIX}${user}`),
      );
      expect([await canLogIn('batch5', old), await canLogIn('batch5', fresh)]).toEqual([true, false]);
      expect([await canLogIn('batch7', old), await canLogIn('batch7', fresh)]).toEqual([false, true]);
    } finally {
      await bed.aws.clearFaults();
    }
    expect(await sync()).toMatchObject({ code: 0 });
    expect(await canLogIn('batch5', fresh)).toBe(true);
  });

  test('deleting a secret on a date ends its user like one that is gone, and restoring it brings the user back', async () => {
    const key = await bed.clients.key('scheduled');
    await put('sven', key.publicKey);
    await sync();
    const uid = await bed.run(['id', '-u', 'sven']);
    const session = await bed.clients.connect({ user: 'sven', key });
    await bed.aws.deleteSecret(`${PREFIX}sven`);
    await sync();
    await session.closed;
    expect(await canLogIn('sven', key)).toBe(false);
    expect(await bed.run(['getent', 'shadow', 'sven'])).toMatch(/^sven:!\*:/);
    await bed.aws.restoreSecret(`${PREFIX}sven`);
    await until('sven to be back', async () => (await sync()).code === 0 && (await canLogIn('sven', key)), {
      timeoutMs: 20_000,
      everyMs: 500,
    });
    expect(await bed.run(['id', '-u', 'sven'])).toBe(uid);
    await accountReady(bed, 'sven');
  });
});
