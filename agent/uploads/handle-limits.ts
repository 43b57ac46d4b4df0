import type { Handle } from './state.ts';

/** What may have been refused is forgotten, past so many: a session can ask for files that don't exist for ever. */
const MOST_DOUBTFUL = 16;
/** As many as a process may have open, unless its host says otherwise (getrlimit(2), RLIMIT_NOFILE). */
const MOST_HANDLES = 1_024;
/** With many sessions each has less, so that all of them fit the agent's memory. */
const MOST_HANDLES_IN_ALL = 5_000;
const LEAST_HANDLES = 16;

/** Forgets the oldest of the openings that a status refused, or perhaps did, past a bound. */
export function forgetDoubtful(handles: Handle[]): void {
  let doubtful = 0;
  for (const { refused } of handles) if (refused !== 'no') doubtful += 1;
  if (doubtful > MOST_DOUBTFUL) forgetOne(handles);
}

/**
 * Makes room for one more. What is forgotten counts as a file whose opening was not seen.
 * @param sessions how many there are
 */
export function makeRoom(handles: Handle[], sessions: number): void {
  const most = Math.min(MOST_HANDLES, Math.max(LEAST_HANDLES, Math.floor(MOST_HANDLES_IN_ALL / sessions)));
  if (handles.length >= most) forgetOne(handles);
}

function forgetOne(handles: Handle[]): void {
  const doubtful = handles.findIndex(({ refused }) => refused !== 'no');
  const read = doubtful >= 0 ? doubtful : handles.findIndex(({ writes }) => !writes);
  handles.splice(Math.max(0, read), 1);
}
