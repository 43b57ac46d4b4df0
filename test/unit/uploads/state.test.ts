import { expect, it } from 'vitest';
import { emptyUploadState, loadUploadState } from '../../../agent/uploads/state.ts';
import { T0 } from './journal-fixture.ts';

it('begins now where there is no state', () => {
  expect(loadUploadState(undefined, T0)).toEqual({ state: emptyUploadState(T0), problem: undefined });
});

it('takes its own state back', () => {
  const state = { ...emptyUploadState(5), position: { cursor: 'c', at: 7 } };
  expect(loadUploadState(JSON.parse(JSON.stringify(state)), T0)).toEqual({ state, problem: undefined });
});

it.each([
  [null],
  [{}],
  [{ ...emptyUploadState(1), version: 2 }],
  [{ ...emptyUploadState(1), sessions: [{ pid: 'x' }] }],
])('refuses %j with a reason, and begins anew', (value) => {
  const { state, problem } = loadUploadState(value, T0);
  expect(state).toEqual(emptyUploadState(T0));
  expect(problem).toMatch(/./);
});
