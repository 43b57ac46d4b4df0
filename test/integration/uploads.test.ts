import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Bed } from '../bed/boot.ts';
import type { Key } from '../bed/clients.ts';
import { sleep, until } from '../bed/command.ts';
import {
  AGENT,
  accountReady,
  agentEvents,
  agentLog,
  agentStatus,
  bootWithProduct,
  PREFIX,
  productRpm,
  QUICK_CONFIG,
  startAgent,
  waitHealthy,
} from '../bed/product.ts';

const SOCKET = '/run/systemd/journal.s3files-sftp/dev-log';
let bed: Bed;
let key: Key;

beforeAll(async () => {
  // So short that what never arrives is told while the test waits.
  const config = QUICK_CONFIG.replace('delivery_deadline_seconds = 60', 'delivery_deadline_seconds = 12');
  bed = await bootWithProduct(await productRpm(), `${config}users = ["acme"]\n`);
  key = await bed.clients.key('acme');
  await bed.aws.putSecret(`${PREFIX}acme`, { publicKeys: [key.publicKey] });
  await startAgent(bed);
  await waitHealthy(bed);
  await accountReady(bed, 'acme');
});
afterAll(async () => await bed?.shutdown());

const upload = async (name: string, content: string) => {
  const session = await bed.clients.connect({ user: 'acme', key });
  await session.put(`/upload/${name}`, content);
  session.end();
};
const logState = async (state: string, timeoutMs: number) =>
  await until(`the log to be ${state}`, async () => (await agentStatus(bed)).sessionLog.state === state, {
    timeoutMs,
    everyMs: 200,
  }).catch(async (cause) => {
    throw new Error(await agentLog(bed), { cause });
  });

test('a login of the agent’s own proves that sessions’ lines come out of their chroots, and nobody else can use it', async () => {
  await logState('heard', 20_000);
  const lines = await agentEvents(bed);
  expect(JSON.stringify(lines)).not.toContain('s3files-sftp-probe');
  expect((await bed.exec(['test', '-e', '/run/s3files-sftp/probe-key'])).code).toBe(1);
  const stranger = await bed.clients.key('stranger');
  expect((await bed.clients.sftp({ user: 's3files-sftp-probe', key: stranger }, ['ls'])).code).not.toBe(0);
});

test('a host whose sessions can’t log is found out when sshd changes, told everywhere, and served by the witness', async () => {
  // No session may write to the socket any more, as under a policy that forbids it.
  await bed.run(['chmod', '0600', SOCKET]);
  await bed.run(['touch', '/usr/sbin/sshd']);
  await logState('silent', 60_000);
  expect((await agentStatus(bed)).reasons[0]).toMatch(
    /^MetricsDegraded: .* by the witness alone, approximately$/,
  );
  expect(await bed.unit(AGENT, 'StatusText')).toContain('MetricsDegraded');
  expect((await bed.exec(['s3files-sftp', 'doctor'])).stdout).toMatch(
    /^FAIL +sessions’ log: MetricsDegraded/m,
  );
  expect(await agentEvents(bed)).toContainEqual(expect.objectContaining({ MetricsDegraded: true }));

  await upload('unheard.txt', 'nobody logged this');
  const told = async () =>
    (await agentEvents(bed)).find(
      ({ path, msg }) => path === '/upload/unheard.txt' && msg === 'upload delivered',
    );
  await until('its receipt', told, { timeoutMs: 60_000, everyMs: 500 });
  expect(await agentEvents(bed)).toContainEqual(
    expect.objectContaining({
      msg: 'upload complete',
      path: '/upload/unheard.txt',
      'bytes-in': 18,
      approximate: true,
    }),
  );
  expect((await agentStatus(bed)).uploads).toMatchObject({ completed: 1, approximate: 1 });

  await bed.run(['chmod', '0666', SOCKET]);
  await bed.run(['touch', '/usr/sbin/sshd']);
  await logState('heard', 30_000);
  await waitHealthy(bed);
  await upload('heard.txt', 'logged');
  await until('it to be counted', async () => (await agentStatus(bed)).uploads.completed === 2, {
    timeoutMs: 10_000,
  });
  expect((await agentStatus(bed)).uploads.approximate).toBe(1);
});

test('an upload that never arrives is told with the file’s own export error, for as long as the file is there', async () => {
  await bed.s3files.pauseExport();
  await upload('stuck.txt', 'never leaves');
  await bed.s3files.failExport(['acme/upload/stuck.txt'], 'S3AccessDenied');
  await bed.s3files.resumeExport();
  const told = async () => (await agentEvents(bed)).find(({ msg }) => msg === 'upload undelivered');
  expect(await until('it to be told', told, { timeoutMs: 40_000, everyMs: 300 })).toMatchObject({
    user: 'acme',
    key: 'acme/upload/stuck.txt',
    reason: 'the bucket has no such object',
    'export-error': 'S3AccessDenied',
  });
  const undelivered = async (count: number) =>
    await until(`${count} undelivered`, async () => (await agentStatus(bed)).uploads.undelivered === count, {
      timeoutMs: 20_000,
    });
  await undelivered(1);
  const session = await bed.clients.connect({ user: 'acme', key });
  await session.remove('/upload/stuck.txt');
  session.end();
  await undelivered(0);
});

test('what journald threw away while the agent was down is told as a gap, and what comes after is counted', async () => {
  const { completed, gaps } = (await agentStatus(bed)).uploads;
  await bed.run(['systemctl', 'stop', AGENT]);
  await upload('in-the-gap.txt', 'nobody will ever know');
  await bed.run(['journalctl', '--namespace=s3files-sftp', '--rotate']);
  await bed.run(['journalctl', '--namespace=s3files-sftp', '--vacuum-time=1s']);
  await sleep(1_200);
  await bed.run(['journalctl', '--namespace=s3files-sftp', '--rotate', '--vacuum-time=1s']);
  await upload('after-the-gap.txt', 'counted');
  await bed.run(['systemctl', 'start', AGENT]);
  await waitHealthy(bed);
  const counted = async () =>
    (await agentEvents(bed)).some(
      ({ msg, path }) => msg === 'upload complete' && path === '/upload/after-the-gap.txt',
    );
  await until('the upload after it', counted, { timeoutMs: 20_000, everyMs: 300 });
  const status = await agentStatus(bed);
  expect(status.uploads).toMatchObject({ completed: completed + 1, gaps: gaps + 1 });
  expect(await agentEvents(bed)).toContainEqual(
    expect.objectContaining({ msg: expect.stringMatching(/^a gap in the log/), level: 'error' }),
  );
  expect((await bed.exec(['s3files-sftp', 'status'])).stdout).toContain(
    'gaps in the log: what happened in them is unknown',
  );
});

test('a partner that the configuration names has metrics of its own, and the first lines say what they cost', async () => {
  await bed.run(['systemctl', 'stop', AGENT]);
  const bodies = (await bed.aws.calls('PutMetricData')).map(({ body }) => JSON.stringify(body));
  expect(bodies.join()).toContain('"Dimensions":[{"Name":"User","Value":"acme"}]');
  expect(await agentEvents(bed)).toContainEqual(
    expect.objectContaining({ customMetrics: 14, dollarsAMonth: 1.2, users: ['acme'] }),
  );
});
