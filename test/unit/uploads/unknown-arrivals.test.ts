import { expect, it } from 'vitest';
import { createLog } from '../../../agent/log.ts';
import type { Outcome } from '../../../agent/uploads/outcome.ts';
import { createUnknownArrivals, type LogProof } from '../../../agent/uploads/unknown-arrivals.ts';
import { T0 } from './journal-fixture.ts';

function createDesk(state: ReturnType<LogProof['state']>) {
  const desk = { state, concludedMs: 0, now: 1_000, suspected: 0, arriving: [] as string[] };
  const told: string[] = [];
  const outcomes: Outcome[] = [];
  const settle = createUnknownArrivals(
    {
      state: () => desk.state,
      suspect: () => {
        desk.suspected += 1;
      },
      concludedMs: () => desk.concludedMs,
    },
    {
      monotonicMs: () => desk.now,
      log: createLog('info', { write: (line) => told.push(JSON.parse(line).path) }),
    },
  );
  const witness = {
    noteKnown: () => {},
    takeUnknown: () => desk.arriving.splice(0).map((path) => ({ path, size: 5, at: T0 })),
    status: () => ({ state: 'watching', unknownArrivals: 0, problem: null }) as const,
    stop: () => {},
  };
  return { desk, told, outcomes, turn: () => settle(witness, () => false, outcomes) };
}

it('waits for a login before it says what a file is, and tells it as unknown where the log is heard', () => {
  const { desk, told, outcomes, turn } = createDesk('heard');
  desk.arriving.push('alice/upload/a');
  turn();
  expect(desk.suspected).toBe(1);
  expect(told).toEqual([]);
  desk.concludedMs = 2_000;
  turn();
  expect(told).toEqual(['alice/upload/a']);
  expect(outcomes).toEqual([]);
});

it('counts it as an upload of its size, marked approximate, where the log is silent', () => {
  const { desk, told, outcomes, turn } = createDesk('heard');
  desk.arriving.push('alice/upload/a', 'alice/upload/b.part');
  turn();
  desk.state = 'silent';
  turn();
  desk.arriving.push('alice/upload/a');
  turn();
  expect(told).toEqual([]);
  const uploads = outcomes.flatMap((each) => (each.kind === 'whole' ? [each.upload] : []));
  expect(uploads).toMatchObject([
    { user: 'alice', path: '/upload/a', bytes: 5, size: 5, closedAt: T0 - 2_000, approximate: true },
    { user: 'alice', path: '/upload/a', approximate: true },
  ]);
  expect(new Set(uploads.map(({ id }) => id)).size).toBe(2);
});

it('tells it as unknown when no login can show anything', () => {
  const { desk, told, turn } = createDesk('unproven');
  desk.arriving.push('alice/upload/a');
  turn();
  desk.now += 121_000;
  turn();
  expect(told).toEqual(['alice/upload/a']);
});
