import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bed } from '../bed/boot.ts';
import type { Key } from '../bed/clients.ts';
import { until } from '../bed/command.ts';
import { type KillPoint, killAt, wrapTools } from '../bed/kill-points.ts';
import {
  AGENT,
  agentLog,
  bootWithProduct,
  PREFIX,
  productRpm,
  QUICK_CONFIG,
  startAgent,
  waitHealthy,
} from '../bed/product.ts';

/**
 * kill -9 at every step that the agent takes on accounts, on a real host: at each tool it starts (before, while and
 * after the tool works) and at each system call by which it changes a file of its own or ends a session. systemd
 * starts it again, and it has to come to the very same end as if nothing had happened.
 */

const KEYS = '/etc/s3files-sftp/keys';
const STATE = '/var/lib/s3files-sftp';
/** The name of a file before it is moved into place. */
const DRAFT = /^\.[0-9a-f]{16}\.tmp$/;
/** Enough new users for the way in which many key files are written: drafts, sync -f, renames, sync -f. */
const CROWD = 9;
/** A user who was removed is restored, not made: each crash has a crowd of its own. */
let crowds = 0;

const POINTS: readonly (readonly [string, KillPoint])[] = [
  [
    'before the child on the mount begins',
    { tool: 'systemd-run', when: 'before', argument: 'mount-directories' },
  ],
  [
    'while the child on the mount works',
    { tool: 'systemd-run', when: 'during', argument: 'mount-directories' },
  ],
  [
    'when the child on the mount is done',
    { tool: 'systemd-run', when: 'after', argument: 'mount-directories' },
  ],
  ['before accounts are made', { tool: 'systemd-sysusers', when: 'before' }],
  ['while accounts are made', { tool: 'systemd-sysusers', when: 'during' }],
  ['when accounts are made', { tool: 'systemd-sysusers', when: 'after' }],
  ['before an account is locked', { tool: 'chpasswd', when: 'before' }],
  ['when an account is locked', { tool: 'chpasswd', when: 'after' }],
  ['before an account is repaired', { tool: 'usermod', when: 'before' }],
  ['when an account is repaired in part', { tool: 'usermod', when: 'after' }],
  ['before drafts of key files are flushed', { tool: 'sync', when: 'before' }],
  ['when new key files have their names, not yet for good', { tool: 'sync', when: 'before', nth: 2 }],
  ['when new key files are there for good', { tool: 'sync', when: 'after', nth: 2 }],
  ['while the ledger is written', { directory: STATE, name: DRAFT }],
  ['when the ledger has the change', { directory: STATE, name: /^accounts\.json$/ }],
  ['while a key file with a key fewer is written', { directory: KEYS, name: DRAFT }],
  ['when a key file has a key fewer', { directory: KEYS, name: /^changed$/ }],
  ['before a key file is gone', { call: 'unlink,unlinkat', path: `${KEYS}/gone` }],
  ['when a key file is gone, not yet for good', { call: 'fsync', path: KEYS }],
  ['before sessions are ended', { call: 'kill' }],
];

/** Nothing happens but what is asked for, and the guard lets each crowd go. */
const CONFIG = QUICK_CONFIG.replace('poll_seconds = 2', 'poll_seconds = 600\nmax_removals = 10000').replace(
  // The checkpoint lies beside the ledger.
  'publish_seconds = 2',
  'publish_seconds = 600',
);

let bed: Bed;
const keys = new Map<string, Key>();
const key = async (name: string): Promise<Key> => {
  const known = keys.get(name) ?? (await bed.clients.key(name));
  keys.set(name, known);
  return known;
};
const line = async (name: string) => (await key(name)).publicKey;
const put = async (users: Record<string, unknown>) => await bed.aws.putSecret(`${PREFIX}all`, { users });
const sync = async () => await bed.exec(['s3files-sftp', 'sync'], { timeoutMs: 30_000 });
const login = async (user: string, name: string) =>
  (await bed.clients.sftp({ user, key: await key(name) }, ['ls'])).code === 0;

/** Who is there before each crash. */
const priorUsers = async () => ({
  keeper: { publicKeys: [await line('keeper')] },
  changed: { publicKeys: [await line('kept'), await line('revoked')] },
  gone: { publicKeys: [await line('gone')] },
  bent: { publicKeys: [await line('bent')] },
});

beforeAll(async () => {
  bed = await bootWithProduct(await productRpm(), CONFIG);
  // So that strace meets calls, and in their order.
  await bed.writeFile(
    `/etc/systemd/system/${AGENT}.d/one-thread.conf`,
    '[Service]\nEnvironment=UV_THREADPOOL_SIZE=1 UV_USE_IO_URING=0\n',
  );
  await bed.run(['systemctl', 'daemon-reload']);
  await wrapTools(bed, ['systemd-run', 'systemd-sysusers', 'chpasswd', 'usermod', 'sync']);
  await startAgent(bed);
  await waitHealthy(bed);
});
afterAll(async () => await bed?.shutdown());

describe('kill -9', () => {
  test.each(POINTS)('%s is made good by the next start', async (_, point) => {
    await put(await priorUsers());
    expect(await sync()).toMatchObject({ code: 0, stdout: '4 accounts can log in\n' });
    const uids = await uidsOf(bed);
    const session = await bed.clients.connect({ user: 'changed', key: await key('revoked') });
    await bed.run(['usermod.real', '-s', '/bin/sh', 'bent']);

    const { keeper, bent } = await priorUsers();
    crowds += 1;
    const crowd = Array.from({ length: CROWD }, (_, index) => `crowd${crowds}-${index}`);
    const theirs = { publicKeys: [await line('crowd')] };
    const newcomers = Object.fromEntries(crowd.map((name) => [name, theirs]));
    await put({ keeper, bent, changed: { publicKeys: [await line('kept')] }, ...newcomers });
    await killAt(bed, point, sync);
    await waitHealthy(bed);
    // The status file of the agent that died says nothing: its successor is asked.
    const isDone = async () => {
      const { stdout } = await bed.exec(['s3files-sftp', 'sync', '--json'], { timeoutMs: 30_000 });
      return stdout !== '' && JSON.parse(stdout).active === 3 + CROWD;
    };
    await until('the agent to be done', isDone, { timeoutMs: 20_000 }).catch(async (cause) => {
      throw new Error(await agentLog(bed), { cause });
    });

    expect(JSON.parse((await bed.exec(['s3files-sftp', 'sync', '--json'])).stdout)).toMatchObject({
      held: 0,
    });
    await session.closed;
    expect(
      await Promise.all([
        login('changed', 'kept'),
        login(crowd.at(-1) ?? '', 'crowd'),
        login('keeper', 'keeper'),
      ]),
    ).toEqual([true, true, true]);
    expect(await Promise.all([login('changed', 'revoked'), login('gone', 'gone')])).toEqual([false, false]);
    expect((await bed.run(['ls', '-A', KEYS])).split('\n').filter(Boolean)).toEqual(
      ['bent', 'changed', ...crowd, 'keeper'].sort(),
    );
    expect(await bed.run(['getent', 'shadow', 'gone'])).toMatch(/^gone:!\*:/);
    expect(await bed.run(['getent', 'passwd', 'bent'])).toMatch(/:\/:\/sbin\/nologin$/m);
    // A name keeps its uid through every crash, and no uid has two names.
    const now = await uidsOf(bed);
    for (const [user, uid] of uids) expect(now.get(user)).toBe(uid);
    expect(new Set(now.values()).size).toBe(now.size);
    expect((await bed.exec(['s3files-sftp', 'plan'])).stdout).toMatch(/nothing to do/);
  });
});

async function uidsOf(host: Bed): Promise<Map<string, string>> {
  const lines = (await host.run(['getent', 'passwd'])).split('\n').map((text) => text.split(':'));
  return new Map(
    lines
      .filter(([, , , , gecos]) => gecos === 's3files-sftp partner')
      .map(([user = '', , uid = '']) => [user, uid]),
  );
}
