import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { parseConfig } from '../../../agent/config.ts';
import type { MetricDatum } from '../../../agent/metrics/buffer-state.ts';
import { createCloudWatchSink, wireForm } from '../../../agent/metrics/publish.ts';

const CONFIG = parseConfig(
  '[aws]\nregion = "eu-central-1"\n[mount]\nfile_system_id = "fs-0123456789abcdef0"\n[uploads]\nbucket = "bucket"\n[metrics]\nnamespace = "S3FilesSftp/acme"',
  'test',
);
const { signal } = new AbortController();
const sum = (value: number): MetricDatum => ({ kind: 'sum', name: 'UploadCount', at: 60_000, value });

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'x');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'x');
});
afterEach(() => vi.unstubAllEnvs());

/** CloudWatch, played by a server of the test's own: it refuses requests whose text has `refused` in it. */
async function cloudWatch(refused: RegExp, error = 'InvalidParameterValueException', status = 400) {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const raw = Buffer.concat(chunks);
      const body = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString();
      bodies.push(body);
      response.setHeader('content-type', 'application/x-amz-json-1.0');
      response.setHeader('smithy-protocol', String(request.headers['smithy-protocol'] ?? ''));
      if (refused.test(body)) {
        response.statusCode = status;
        response.end(JSON.stringify({ __type: `com.amazonaws.cloudwatch#${error}`, message: 'no' }));
      } else response.end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const sink = createCloudWatchSink(() => CONFIG);
  onTestFinished(() => {
    sink.close();
    server.closeAllConnections();
    server.close();
  });
  return { sink, bodies };
}

it('sends all data of a batch in one request', async () => {
  const { sink, bodies } = await cloudWatch(/never/);
  expect(await sink.send([sum(1), sum(2)], signal)).toEqual([]);
  expect(bodies).toHaveLength(1);
  expect(bodies[0]).toContain('"Namespace":"S3FilesSftp/acme"');
});

it('finds the one datum that CloudWatch refuses, and sends the others', async () => {
  const { sink, bodies } = await cloudWatch(/"Value":(\s*)666\b/);
  const data = [1, 2, 3, 666, 5, 6, 7, 8].map(sum);
  const refused = await sink.send(data, signal);
  expect(refused).toMatchObject([{ datum: { value: 666 } }]);
  const taken = bodies
    .filter((body) => !body.includes('666'))
    .flatMap((body) => body.match(/"Value":\d+/g) ?? []);
  expect(taken.sort()).toEqual([1, 2, 3, 5, 6, 7, 8].map((value) => `"Value":${value}`));
});

it('tells what was taken where a later part is not', async () => {
  const { sink } = await cloudWatch(/"Value":\s*666\b/, 'InvalidParameterValueException');
  const taken: MetricDatum[] = [];
  const away = new AbortController();
  const data = [sum(1), sum(2), sum(666), sum(4)];
  const sending = sink.send(data, away.signal, (part) => {
    taken.push(...part);
    away.abort();
  });
  await expect(sending).rejects.toMatchObject({ op: 'publish metrics to' });
  expect(taken).toEqual([sum(1), sum(2)]);
});

it('drops nothing for want of a right, and names the right', async () => {
  const { sink, bodies } = await cloudWatch(/./, 'AccessDeniedException', 403);
  await expect(sink.send([sum(1), sum(2)], signal)).rejects.toMatchObject({
    hint: expect.stringMatching(/cloudwatch:PutMetricData .*S3FilesSftp\/acme/),
  });
  expect(bodies).toHaveLength(1);
});

it('keeps what a service in trouble does not take', async () => {
  const { sink } = await cloudWatch(/./, 'InternalServiceFault', 500);
  await expect(sink.send([sum(1)], signal)).rejects.toMatchObject({ op: 'publish metrics to' });
});

it('uses the form that keeps extremes for gauges and percentiles for distributions', () => {
  expect(
    wireForm({ kind: 'extremes', name: 'MountHealthy', at: 0, sum: 2, count: 3, least: 0, most: 1 }),
  ).toMatchObject({
    Unit: 'None',
    StatisticValues: { Sum: 2, SampleCount: 3, Minimum: 0, Maximum: 1 },
  });
  const values: [number, number][] = [
    [61, 2],
    [90, 1],
  ];
  expect(wireForm({ kind: 'values', name: 'DeliveryLagSeconds', at: 0, values })).toMatchObject({
    Unit: 'Seconds',
    Values: [61, 90],
    Counts: [2, 1],
  });
});

it('gives a user’s metric the dimension User, and no other metric any', () => {
  const datum = { kind: 'sum', name: 'UploadCount', at: 0, value: 1 } as const;
  expect(wireForm({ ...datum, user: 'acme' })).toMatchObject({
    Dimensions: [{ Name: 'User', Value: 'acme' }],
  });
  expect(wireForm(datum)).not.toHaveProperty('Dimensions');
});
