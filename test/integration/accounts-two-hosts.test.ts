import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Bed } from '../bed/boot.ts';
import { until } from '../bed/command.ts';
import {
  agentStatus,
  bootWithProduct,
  PREFIX,
  productRpm,
  QUICK_CONFIG,
  startAgent,
  waitHealthy,
} from '../bed/product.ts';
import { ed25519Line } from '../unit/accounts/keys.ts';

/** Two hosts, two agents, one file system: what a replacement of the host and its predecessor are for some minutes. */

const USERS = 1_000;
const PER_BUNDLE = 250;
const CONFIG = QUICK_CONFIG.replace('poll_seconds = 2', 'poll_seconds = 600');
let hosts: readonly [Bed, Bed];

beforeAll(async () => {
  const rpm = await productRpm();
  const first = await bootWithProduct(rpm, CONFIG);
  hosts = [first, await bootWithProduct(rpm, CONFIG, { beside: first })];
  for (const host of hosts) {
    await startAgent(host);
    await waitHealthy(host);
  }
});
afterAll(async () => {
  for (const host of [...(hosts ?? [])].toReversed()) await host.shutdown();
});

async function uidsOn(host: Bed): Promise<Map<string, number>> {
  const lines = (await host.run(['getent', 'passwd'])).split('\n').map((line) => line.split(':'));
  const partners = lines.filter(([, , , , gecos]) => gecos === 's3files-sftp partner');
  return new Map(partners.map(([user = '', , uid]) => [user, Number(uid)]));
}

test('that meet 1,000 new names at once give each name one uid and no uid twice', async () => {
  const bundles = Array.from({ length: USERS / PER_BUNDLE }, (_, bundle) =>
    Object.fromEntries(
      Array.from({ length: PER_BUNDLE }, (_, index) => [
        `racer${bundle * PER_BUNDLE + index}`,
        { publicKeys: [ed25519Line()] },
      ]),
    ),
  );
  for (const host of hosts)
    for (const [index, users] of bundles.entries()) await host.aws.putSecret(`${PREFIX}${index}`, { users });
  await Promise.all(
    hosts.map(async (host) => await host.exec(['s3files-sftp', 'sync'], { timeoutMs: 90_000 })),
  );
  // Where both made the same claim at the very same moment, one is told to try again.
  for (const host of hosts) {
    const isDone = async () => {
      await host.exec(['s3files-sftp', 'sync'], { timeoutMs: 60_000 });
      return (await agentStatus(host)).accounts.active === USERS;
    };
    await until('all accounts', isDone, { timeoutMs: 60_000 });
    expect((await agentStatus(host)).accounts.problems).toEqual([]);
  }
  const [left, right] = [await uidsOn(hosts[0]), await uidsOn(hosts[1])];
  expect(left.size).toBe(USERS);
  expect(new Set(left.values()).size).toBe(USERS);
  expect([...right].sort()).toEqual([...left].sort());
  const claims = (await hosts[0].s3files.list('.s3files-sftp/uids')).filter((name) => !name.startsWith('.'));
  expect(claims.map(Number).sort()).toEqual([...left.values()].sort());
});

test('serve one partner with one key, whose files are the partner’s on both', async () => {
  const [one, two] = hosts;
  const key = await one.clients.key('both');
  for (const host of hosts) {
    await host.aws.putSecret(`${PREFIX}both`, { publicKeys: [key.publicKey] });
    await host.exec(['s3files-sftp', 'sync'], { timeoutMs: 60_000 });
  }
  await one.writeFile('/tmp/x', 'x');
  const session = await one.clients.connect({ user: 'both', key });
  await session.put('/upload/from-one.txt', 'one');
  session.end();
  const other = await two.clients.connect({ user: 'both', key });
  expect((await other.get('/upload/from-one.txt')).toString()).toBe('one');
  await other.put('/upload/from-one.txt', 'two');
  other.end();
});
