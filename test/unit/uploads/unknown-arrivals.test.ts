import { expect, it } from 'vitest';
import { createLog } from '../../../agent/log.ts';
import type { Outcome } from '../../../agent/uploads/outcome.ts';
import { createUnknownArrivals, type LogProof } from '../../../agent/uploads/unknown-arrivals.ts';
import { T0 } from './journal-fixture.ts';

function createDesk(state: ReturnType<LogProof['state']>) {
  const desk = { state, concludedMs: 0, now: 1_000, suspected: 0, read: true };
  const arriving: string[] = [];
  const known = new Set<string>();
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
    noteKnown: (path: string) => known.add(path),
    isKnown: (path: string) => known.has(path),
    takeUnknown: () => arriving.splice(0).map((path) => ({ path, size: 5, at: T0 })),
    status: () => ({ state: 'watching', unknownArrivals: 0, problem: null }) as const,
    stop: () => {},
  };
  const turn = () => settle(witness, { isOpen: () => false, hasRead: () => desk.read }, outcomes);
  return { desk, arriving, witness, told, outcomes, turn };
}

it('waits for a login before it says what a file is, and tells it as unknown where the log is heard', () => {
  const { desk, arriving, told, outcomes, turn } = createDesk('heard');
  arriving.push('alice/upload/a');
  turn();
  expect(desk.suspected).toBe(1);
  expect(told).toEqual([]);
  desk.concludedMs = 2_000;
  turn();
  expect(told).toEqual(['alice/upload/a']);
  expect(outcomes).toEqual([]);
});

it('counts it as an upload of its size, marked approximate, where the log is silent', () => {
  const { desk, arriving, told, outcomes, turn } = createDesk('heard');
  arriving.push('alice/upload/a', 'alice/upload/b.part');
  turn();
  desk.state = 'silent';
  turn();
  arriving.push('alice/upload/a');
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
  const { desk, arriving, told, turn } = createDesk('unproven');
  arriving.push('alice/upload/a');
  turn();
  desk.now += 121_000;
  turn();
  expect(told).toEqual(['alice/upload/a']);
});

it('decides nothing while the log is read behind the arrival, and drops what the log tells then', () => {
  const { desk, arriving, witness, told, outcomes, turn } = createDesk('silent');
  desk.read = false;
  arriving.push('alice/upload/late', 'alice/upload/unheard');
  turn();
  desk.now += 121_000;
  turn();
  expect(outcomes).toEqual([]);
  witness.noteKnown('alice/upload/late');
  turn();
  desk.read = true;
  turn();
  expect(outcomes).toMatchObject([{ upload: { path: '/upload/unheard' } }]);
  expect(told).toEqual([]);
});

it('counts nothing any more once the log is heard again', () => {
  const { desk, arriving, told, outcomes, turn } = createDesk('silent');
  arriving.push('alice/upload/a');
  turn();
  desk.state = 'heard';
  desk.concludedMs = 2_000;
  arriving.push('alice/upload/b');
  turn();
  expect(outcomes).toMatchObject([{ upload: { path: '/upload/a' } }]);
  expect(told).toEqual(['alice/upload/b']);
});
