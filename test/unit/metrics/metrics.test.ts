import { expect, it } from 'vitest';
import { parseConfig } from '../../../agent/config.ts';
import { createLog } from '../../../agent/log.ts';
import type { MetricDatum } from '../../../agent/metrics/buffer-state.ts';
import { createMetrics } from '../../../agent/metrics/metrics.ts';
import type { MetricSink } from '../../../agent/metrics/publish.ts';

const CONFIG = parseConfig(
  '[mount]\nfile_system_id = "fs-0123456789abcdef0"\n[uploads]\nbucket = "bucket"',
  'test',
);
const T0 = 1_795_481_640_000;
const { signal } = new AbortController();

function rig(state?: unknown, config = CONFIG, lines: string[] = []) {
  let now = T0;
  let fails: unknown;
  const sent: (readonly MetricDatum[])[] = [];
  const order: string[] = [];
  const sink: MetricSink = {
    send: async (data, aborted) => {
      order.push('send');
      if (fails === 'hangs') await new Promise((_, reject) => aborted.addEventListener('abort', reject));
      if (fails !== undefined) throw fails;
      sent.push(data);
      return [];
    },
    close: () => {},
  };
  const metrics = createMetrics(state, () => config, sink, {
    now: () => now,
    log: createLog('info', { write: (line) => lines.push(line) }),
  });
  const saved: unknown[] = [];
  const checkpoint = {
    persist: async () => {
      order.push('persist');
      saved.push(JSON.parse(JSON.stringify(metrics.snapshot())));
    },
  };
  const pass = (ms: number) => {
    now += ms;
  };
  const fail = (how: unknown) => {
    fails = how;
  };
  return { metrics, sent, saved, order, checkpoint, pass, fail };
}

const count = { name: 'UploadCount', value: 1, at: T0 } as const;

it('persists a batch before it is sent and after it was taken', async () => {
  const { metrics, sent, saved, order, checkpoint, pass } = rig();
  metrics.record(count);
  pass(60_000);
  await metrics.publish(signal, checkpoint);
  expect(order).toEqual(['persist', 'send', 'persist']);
  expect(saved).toMatchObject([{ inFlight: { data: sent[0] } }, { inFlight: null, periods: [] }]);
  expect(metrics.report()).toEqual({ lastPublishedAt: T0 + 60_000, pendingBatches: 0, problem: null });
});

it('sends after a crash the very batch that may have been sent before it', async () => {
  const before = rig();
  before.metrics.record(count);
  before.pass(60_000);
  before.fail(new Error('killed while sending'));
  await expect(before.metrics.publish(signal, before.checkpoint)).rejects.toThrow('killed while sending');
  const after = rig(before.saved.at(-1));
  after.metrics.record({ ...count, value: 5 });
  after.pass(120_000);
  await after.metrics.publish(signal, after.checkpoint);
  expect(after.sent).toMatchObject([[{ value: 1 }], [{ value: 5 }]]);
});

it('keeps everything while CloudWatch is away, says why, and catches up', async () => {
  const { metrics, sent, checkpoint, pass, fail } = rig();
  fail(new Error('Rate exceeded'));
  for (let minute = 0; minute < 5; minute += 1) {
    metrics.record({ ...count, at: T0 + minute * 60_000 });
    pass(60_000);
    await expect(metrics.publish(signal, checkpoint)).rejects.toThrow();
  }
  expect(metrics.report()).toMatchObject({ lastPublishedAt: null, problem: expect.stringContaining('Rate') });
  fail(undefined);
  await metrics.publish(signal, checkpoint);
  expect(sent.flat().map(({ at }) => at)).toEqual([0, 1, 2, 3, 4].map((minute) => T0 + minute * 60_000));
});

it('sends the period under way at the end, and does not wait for a CloudWatch that hangs', async () => {
  const { metrics, sent, checkpoint, fail } = rig();
  metrics.record(count);
  await metrics.drain(1_000, checkpoint);
  expect(sent).toMatchObject([[{ value: 1 }]]);
  metrics.record(count);
  fail('hangs');
  const startedAt = performance.now();
  await metrics.drain(50, checkpoint);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  expect(metrics.snapshot().inFlight?.data).toHaveLength(1);
});

const NAMING = parseConfig(
  '[mount]\nfile_system_id = "fs-0123456789abcdef0"\n[uploads]\nbucket = "bucket"\n[metrics]\nusers = ["acme"]',
  'test',
);

it('publishes a user’s own metrics only where the configuration names the user, beside those of all', async () => {
  const { metrics, sent, checkpoint, pass } = rig(undefined, NAMING);
  for (const user of ['acme', 'globex', null]) metrics.record({ ...count, user });
  metrics.record({ name: 'ActiveUsers', value: 2, at: T0, user: 'acme' });
  pass(60_000);
  await metrics.publish(signal, checkpoint);
  expect(sent.flat().filter(({ name }) => name === 'UploadCount')).toEqual([
    { kind: 'sum', name: 'UploadCount', at: T0, value: 3 },
    { kind: 'sum', name: 'UploadCount', user: 'acme', at: T0, value: 1 },
  ]);
  expect(sent.flat().filter(({ name }) => name === 'ActiveUsers')).toHaveLength(1);
});

it('says at start how many custom metrics there are, and what they cost', () => {
  const lines: string[] = [];
  rig(undefined, CONFIG, lines);
  rig(undefined, NAMING, lines);
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
    'this configuration makes 10 custom metrics: $0.00 a month past the free ten',
    'this configuration makes 14 custom metrics: $1.20 a month past the free ten',
  ]);
});

it('keeps a user’s values apart across a restart', async () => {
  const first = rig(undefined, NAMING);
  first.metrics.record({ ...count, user: 'acme' });
  const { metrics, sent, checkpoint, pass } = rig(
    JSON.parse(JSON.stringify(first.metrics.snapshot())),
    NAMING,
  );
  pass(60_000);
  await metrics.publish(signal, checkpoint);
  expect(sent.flat().map(({ name, user }) => [name, user])).toEqual([
    ['UploadCount', undefined],
    ['UploadCount', 'acme'],
  ]);
});

it('sends again only what CloudWatch did not take, and keeps that on the disk', async () => {
  const sent: string[][] = [];
  const saved: unknown[] = [];
  let throttled = true;
  const sink: MetricSink = {
    send: async (data, _signal, taken) => {
      sent.push(data.map(({ name }) => name));
      if (!throttled) return [];
      throttled = false;
      taken?.(data.slice(0, 1));
      throw new Error('Rate exceeded');
    },
    close: () => {},
  };
  const log = createLog('info', { write: () => {} });
  const metrics = createMetrics(undefined, () => CONFIG, sink, { now: () => T0 + 60_000, log });
  const persist = async () => void saved.push(JSON.parse(JSON.stringify(metrics.snapshot())));
  metrics.record(count);
  metrics.record({ ...count, name: 'PartialUploads' });
  await expect(metrics.publish(signal, { persist })).rejects.toThrow('Rate exceeded');
  expect(saved.at(-1)).toMatchObject({ inFlight: { data: [{ name: 'PartialUploads' }] } });
  await metrics.publish(signal, { persist });
  expect(sent).toEqual([['UploadCount', 'PartialUploads'], ['PartialUploads']]);
});
