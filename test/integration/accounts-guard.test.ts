import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Bed } from '../bed/boot.ts';
import type { Key } from '../bed/clients.ts';
import { until } from '../bed/command.ts';
import {
  agentEvents,
  agentStatus,
  bootWithProduct,
  PREFIX,
  productRpm,
  QUICK_CONFIG,
  startAgent,
  waitHealthy,
} from '../bed/product.ts';
import { ed25519Line } from '../unit/accounts/keys.ts';

/** The accident that peers had: thousands of users vanish at once, and somebody has to say that it is meant. */

const USERS = 5_000;
const PER_BUNDLE = 250;
let bed: Bed;
let key: Key;
const bundleName = (index: number) => `${PREFIX}bundle${index}`;
const sync = async (...args: string[]) =>
  await bed.exec(['s3files-sftp', 'sync', ...args], { timeoutMs: 90_000 });
const keyFiles = async () =>
  (await bed.run(['ls', '/etc/s3files-sftp/keys'])).split('\n').filter(Boolean).length;
/** The status of the accounts, once it has these figures: it is up to a second behind. */
const statusWith = async (figures: { readonly active?: number; readonly held?: number }) =>
  await until(`the status to show ${JSON.stringify(figures)}`, async () => {
    const { accounts } = await agentStatus(bed);
    return Object.entries(figures).every(([name, value]) => accounts[name] === value) ? accounts : undefined;
  });
const canLogIn = async (user: string, which: Key) =>
  (await bed.clients.sftp({ user, key: which }, ['ls'])).code === 0;

beforeAll(async () => {
  bed = await bootWithProduct(
    await productRpm(),
    QUICK_CONFIG.replace('poll_seconds = 2', 'poll_seconds = 600'),
  );
  await startAgent(bed);
  await waitHealthy(bed);
  // Files that nobody uploaded are not exported: this is not about the bucket.
  await bed.s3files.pauseExport();
  key = await bed.clients.key('kept');
  for (let bundle = 0; bundle < USERS / PER_BUNDLE; bundle += 1) {
    const names = Array.from({ length: PER_BUNDLE }, (_, index) => `user${bundle * PER_BUNDLE + index}`);
    const users = Object.fromEntries(
      names.map((name) => [name, { publicKeys: [ed25519Line(), key.publicKey] }]),
    );
    await bed.aws.putSecret(bundleName(bundle), { users });
  }
  const reserve = await bed.clients.key('reserve');
  await bed.aws.putSecret(`${PREFIX}rita`, { publicKeys: [key.publicKey, reserve.publicKey] });
  // A machine that is busy takes more than one pass to make them all.
  const all = `${USERS + 1} accounts can log in\n`;
  await until('all accounts', async () => (await sync()).stdout === all || undefined, { timeoutMs: 60_000 });
});
afterAll(async () => await bed?.shutdown());

test('5,000 users that vanish from one listing stay, while somebody comes and a key goes', async () => {
  const session = await bed.clients.connect({ user: 'user4999', key });
  for (let bundle = 0; bundle < USERS / PER_BUNDLE; bundle += 1)
    await bed.aws.deleteSecret(bundleName(bundle), { force: true });
  const reserve = await bed.clients.key('reserve-2');
  await bed.aws.putSecret(`${PREFIX}rita`, { publicKeys: [reserve.publicKey] });
  await bed.aws.putSecret(`${PREFIX}nick`, { publicKeys: [reserve.publicKey] });
  const held = await sync();
  expect(held).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('held: the removal of 5000 accounts'),
  });
  const accounts = await statusWith({ active: USERS + 2, held: USERS });
  expect(await keyFiles()).toBe(USERS + 2);
  expect([
    await canLogIn('user0', key),
    await canLogIn('rita', key),
    await canLogIn('nick', reserve),
  ]).toEqual([true, false, true]);
  await session.put('/upload/still-here.txt', 'x');
  session.end();
  const said = (await agentEvents(bed)).find(({ hash }) => hash === accounts.heldPlan.hash);
  expect(said).toMatchObject({
    level: 'error',
    msg: '5000 removals are held',
    hint: expect.stringContaining('sync --approve'),
  });
  const seen = async () =>
    (await bed.aws.metric('AccountSyncHeld')).some(({ maximum }) => maximum >= USERS) || undefined;
  await until('the metric', seen, { timeoutMs: 20_000, everyMs: 500 });
});

test('only that very plan can be approved; then all go in one pass, with their sessions', async () => {
  const { hash } = (await statusWith({ held: USERS })).heldPlan;
  const plan = await bed.exec(['s3files-sftp', 'plan'], { timeoutMs: 60_000 });
  expect(plan.stdout).toContain(`s3files-sftp sync --approve ${hash}`);
  expect((await sync('--approve', 'deadbeef0123')).stdout).toContain(
    'deadbeef0123 is not the plan that is held now',
  );
  expect(await keyFiles()).toBe(USERS + 2);
  // One more vanishes: what was approved is not what would be done.
  await bed.aws.deleteSecret(`${PREFIX}nick`, { force: true });
  const refused = await sync('--approve', hash);
  expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining('5001 accounts') });
  expect(await keyFiles()).toBe(USERS + 2);

  const session = await bed.clients.connect({ user: 'user4999', key });
  const next = /--approve ([0-9a-f]{12})$/m.exec(refused.stdout)?.[1] ?? '';
  const began = performance.now();
  expect(await sync('--approve', next)).toMatchObject({ code: 0, stdout: '1 accounts can log in\n' });
  expect(performance.now() - began).toBeLessThan(30_000);
  await session.closed;
  expect(await keyFiles()).toBe(1);
  expect((await bed.run(['getent', 'shadow'])).match(/^user\d+:!\*:/gm)).toHaveLength(USERS);
  expect((await bed.s3files.read('user4999/upload/still-here.txt')).toString()).toBe('x');
  expect(await statusWith({ active: 1, held: 0 })).toMatchObject({ heldPlan: null });
});
