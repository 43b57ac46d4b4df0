import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  acknowledge,
  createBuffer,
  type MetricUpdate,
  record,
  snapshotOf,
  takeBatch,
} from '../../../agent/metrics/buffer.ts';
import { loadBufferState, type MetricBatch } from '../../../agent/metrics/buffer-state.ts';

const MINUTE = 60_000;
const T0 = 1_795_481_640_000;
const count = (value: number, at = T0): MetricUpdate => ({ name: 'UploadCount', value, at });
const lag = (value: number, at = T0): MetricUpdate => ({ name: 'DeliveryLagSeconds', value, at });

function drain(buffer: ReturnType<typeof createBuffer>, now: number): MetricBatch[] {
  const batches: MetricBatch[] = [];
  for (let batch = takeBatch(buffer, now); batch !== undefined; batch = takeBatch(buffer, now)) {
    batches.push(batch);
    acknowledge(buffer, batch.id);
  }
  return batches;
}

describe('folding', () => {
  it('sums counts, keeps the extremes of gauges and every value of distributions', () => {
    const buffer = createBuffer();
    for (const value of [1, 2]) record(buffer, count(value), MINUTE);
    for (const value of [1, 0, 1]) record(buffer, { name: 'MountHealthy', value, at: T0 }, MINUTE);
    for (const value of [61.04, 61.01, 90]) record(buffer, lag(value), MINUTE);
    expect(takeBatch(buffer, T0 + MINUTE)?.data).toEqual([
      { kind: 'sum', name: 'UploadCount', at: T0, value: 3 },
      { kind: 'extremes', name: 'MountHealthy', at: T0, sum: 2, count: 3, least: 0, most: 1 },
      {
        kind: 'values',
        name: 'DeliveryLagSeconds',
        at: T0,
        values: [
          [61, 2],
          [90, 1],
        ],
      },
    ]);
  });
  it('spreads a distribution over data of 150 values, and stays within half a percent', () => {
    const buffer = createBuffer();
    const values = Array.from({ length: 700 }, (_, n) => 100 + n + 0.4);
    for (const value of values) record(buffer, lag(value), MINUTE);
    const data = takeBatch(buffer, T0 + MINUTE)?.data ?? [];
    const sent = data.flatMap((datum) => (datum.kind === 'values' ? datum.values : []));
    expect(Math.max(...data.map((datum) => (datum.kind === 'values' ? datum.values.length : 0)))).toBe(150);
    expect(sent.reduce((sum, [, times]) => sum + times, 0)).toBe(700);
    for (const [value] of sent) {
      const nearest = Math.min(...values.map((each) => Math.abs(each - value) / each));
      expect(nearest).toBeLessThan(0.005);
    }
  });
  it('bounds the values of a period, losing precision but no value', () => {
    const buffer = createBuffer();
    for (let n = 0; n < 20_000; n += 1) record(buffer, lag(0.01 * 1.001 ** n), MINUTE);
    const sent = drain(buffer, T0 + MINUTE).flatMap(({ data }) => data);
    const pairs = sent.flatMap((datum) => (datum.kind === 'values' ? datum.values : []));
    expect(pairs.length).toBeLessThanOrEqual(1_000);
    expect(pairs.reduce((sum, [, times]) => sum + times, 0)).toBe(20_000);
  });
  it('ignores what is no number', () => {
    const buffer = createBuffer();
    record(buffer, count(Number.NaN), MINUTE);
    expect(takeBatch(buffer, T0 + MINUTE)).toBeUndefined();
  });
});

describe('the one batch in flight', () => {
  it('leaves the period under way alone, except at the end', () => {
    const buffer = createBuffer();
    record(buffer, count(1, T0 + 5_000), MINUTE);
    expect(takeBatch(buffer, T0 + 10_000)).toBeUndefined();
    expect(takeBatch(buffer, T0 + 10_000, true)?.data).toHaveLength(1);
  });
  it('gives the same batch again until it is acknowledged by its name, and mixes nothing in', () => {
    const buffer = createBuffer();
    record(buffer, count(1), MINUTE);
    const batch = takeBatch(buffer, T0 + MINUTE);
    record(buffer, count(5), MINUTE);
    expect(takeBatch(buffer, T0 + 2 * MINUTE)).toEqual(batch);
    acknowledge(buffer, 'another');
    expect(takeBatch(buffer, T0 + 2 * MINUTE)).toEqual(batch);
    acknowledge(buffer, batch?.id ?? '');
    expect(takeBatch(buffer, T0 + 2 * MINUTE)?.data).toMatchObject([{ value: 5 }]);
  });
  it('comes back from the disk as it was', () => {
    const buffer = createBuffer();
    record(buffer, count(1), MINUTE);
    record(buffer, lag(61, T0 + MINUTE), MINUTE);
    const batch = takeBatch(buffer, T0 + MINUTE);
    const { state, problem } = loadBufferState(JSON.parse(JSON.stringify(snapshotOf(buffer))));
    expect(problem).toBeUndefined();
    const again = createBuffer(state);
    expect(takeBatch(again, T0 + 9 * MINUTE)).toEqual(batch);
    acknowledge(again, batch?.id ?? '');
    expect(takeBatch(again, T0 + 9 * MINUTE)?.data).toMatchObject([{ name: 'DeliveryLagSeconds' }]);
  });
  it('gives a snapshot that later updates do not change', () => {
    const buffer = createBuffer();
    record(buffer, lag(61), MINUTE);
    const before = JSON.stringify(snapshotOf(buffer));
    const snapshot = snapshotOf(buffer);
    record(buffer, lag(61), MINUTE);
    expect(JSON.stringify(snapshot)).toBe(before);
  });
  it('loses and doubles nothing, whatever comes between', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('record' as const), value: fc.nat(9), late: fc.nat(600_000) }),
      fc.record({ do: fc.constant('send' as const) }),
      fc.record({ do: fc.constant('restart' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let buffer = createBuffer();
        let now = T0;
        let recorded = 0;
        let sent = 0;
        const add = (batch: MetricBatch) => {
          for (const datum of batch.data) if (datum.kind === 'sum') sent += datum.value;
        };
        for (const each of steps) {
          now += 20_000;
          if (each.do === 'record') {
            recorded += each.value;
            record(buffer, count(each.value, now - each.late), MINUTE);
          } else if (each.do === 'restart') {
            buffer = createBuffer(loadBufferState(JSON.parse(JSON.stringify(snapshotOf(buffer)))).state);
          } else {
            const batch = takeBatch(buffer, now);
            if (batch !== undefined) {
              add(batch);
              acknowledge(buffer, batch.id);
            }
          }
        }
        for (const batch of drain(buffer, now + MINUTE)) add(batch);
        expect(sent).toBe(recorded);
      }),
    );
  });
});

describe('while CloudWatch is away', () => {
  it('keeps every value of ten days in a few hundred periods', () => {
    const buffer = createBuffer();
    const minutes = 10 * 24 * 60;
    for (let n = 0; n < minutes; n += 1) {
      record(buffer, count(1, T0 + n * MINUTE), MINUTE);
      record(buffer, { name: 'ActiveUsers', value: n, at: T0 + n * MINUTE }, MINUTE);
      // A batch taken once stays in flight; the buffer is shortened whenever the next is asked for.
      if (n % 600 === 0) snapshotOf(buffer);
    }
    const now = T0 + minutes * MINUTE;
    const first = takeBatch(buffer, now);
    expect(buffer.periods.size).toBeLessThan(500);
    acknowledge(buffer, first?.id ?? '');
    const data = [...(first?.data ?? []), ...drain(buffer, now).flatMap((batch) => batch.data)];
    const sums = data.flatMap((datum) => (datum.kind === 'sum' ? [datum.value] : []));
    expect(sums.reduce((a, b) => a + b, 0)).toBe(minutes);
    expect(Math.max(...data.map((datum) => (datum.kind === 'extremes' ? datum.most : 0)))).toBe(minutes - 1);
  });
  it.each([
    [0, 600],
    [100, 600],
  ])('stays small for three weeks with a batch in flight and %i named users', (users, mostPeriods) => {
    const buffer = createBuffer();
    const minutes = 21 * 24 * 60;
    // Each user in each minute would be slow to test: the named ones take turns, and all come in the last of an hour.
    for (let n = 0; n < minutes; n += 1) {
      const at = T0 + n * MINUTE;
      record(buffer, count(1, at), MINUTE);
      record(buffer, lag(60 + (n % 97) / 10, at), MINUTE);
      for (let user = 0; user < users; user += n % 60 === 59 ? 1 : 50) {
        record(buffer, { ...count(1, at), user: `partner${user}` }, MINUTE);
        record(buffer, { ...lag(60 + ((n * user) % 97) / 10, at), user: `partner${user}` }, MINUTE);
      }
      if (n % 60 === 0) takeBatch(buffer, at + MINUTE);
    }
    const now = T0 + minutes * MINUTE;
    const first = takeBatch(buffer, now);
    expect(first?.data.length).toBeLessThan(600);
    expect(buffer.periods.size).toBeLessThan(mostPeriods);
    expect(JSON.stringify(snapshotOf(buffer)).length).toBeLessThan(4_000_000);
    // The values of all are whole for as long as CloudWatch takes them; what is gone is told.
    acknowledge(buffer, first?.id ?? '');
    const dropped = buffer.dropped.get('UploadCount') ?? 0;
    expect(dropped).toBeGreaterThan(0);
    const sums = drain(buffer, now).flatMap(({ data }) =>
      data.flatMap((datum) =>
        datum.kind === 'sum' && datum.user === undefined && datum.at > now - 13 * 86_400_000
          ? [datum.value]
          : [],
      ),
    );
    expect(sums.reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(13 * 1440 - 1440);
  });
  it('gives up time before values: a hundred named users of one day are all there', () => {
    const buffer = createBuffer();
    for (let n = 0; n < 1_440; n += 1) {
      for (let user = 0; user < 100; user += 1) {
        record(buffer, { ...count(1, T0 + n * MINUTE), user: `partner${user}` }, MINUTE);
        record(buffer, { ...lag(60 + (user % 9), T0 + n * MINUTE), user: `partner${user}` }, MINUTE);
      }
      if (n % 30 === 0) takeBatch(buffer, T0 + n * MINUTE);
    }
    expect([...buffer.dropped]).toEqual([]);
    const data = drain(buffer, T0 + 1_440 * MINUTE).flatMap((batch) => batch.data);
    const uploads = data.reduce((sum, each) => sum + (each.kind === 'sum' ? each.value : 0), 0);
    expect(uploads).toBe(144_000);
    const pairs = data.flatMap((each) => (each.kind === 'values' ? each.values : []));
    expect(pairs.reduce((sum, [, times]) => sum + times, 0)).toBe(144_000);
  });
  it('drops what CloudWatch would refuse for its age, and says so', () => {
    const buffer = createBuffer();
    record(buffer, count(1), MINUTE);
    record(buffer, count(2, T0 + 86_400_000), MINUTE);
    const data = takeBatch(buffer, T0 + 14 * 86_400_000)?.data;
    expect(data).toMatchObject([{ value: 2 }]);
    expect([...buffer.dropped]).toEqual([['UploadCount', 1]]);
  });
  it('sends a value from a clock that was set back, with a time that CloudWatch takes', () => {
    const buffer = createBuffer();
    record(buffer, count(1, T0 + 86_400_000), MINUTE);
    expect(takeBatch(buffer, T0)?.data).toMatchObject([{ value: 1, at: T0 }]);
  });
});

it.each([[null], [{ version: 1 }], [{ version: 1, periods: [{}], inFlight: null, dropped: {} }]])(
  'refuses %j with a reason, and begins anew',
  (value) => {
    const { state, problem } = loadBufferState(value);
    expect(state.periods).toEqual([]);
    expect(problem).toMatch(/./);
  },
);
