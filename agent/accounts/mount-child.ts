import { OperationError } from '../operation-error.ts';
import type { Edges } from '../os/edges.ts';
import type { Argv } from '../os/exec.ts';
import { execOk } from '../os/exec-ok.ts';
import { guardedArgv } from '../os/transient.ts';
import {
  type MountRequest,
  type MountResponse,
  type MountResult,
  type MountUser,
  placesOf,
} from './mount-request.ts';

export interface MountChildEdges extends Pick<Edges, 'exec'> {
  /** How to start this program again: Node.js and its entry file. */
  readonly selfArgv: Argv;
}

/**
 * Longest that children work before they hand back what they have done: a key that is revoked meanwhile waits for the
 * next pass. A new user takes some 35 requests, which NFS answers in 1–2 ms each, so this is a few hundred of them.
 */
const BUDGET_MS = 15_000;
/** Past this a child hangs: its start, its budget, and one user on a mount that answers very late. */
const DEADLINE_SECONDS = 60;
/**
 * Several wait for the mount at once where many users are new: on two cores four are twice as fast as one, and on NFS,
 * which answers late, nearly four times. Each is a Node.js of 50 MB, so a few users have one.
 */
const MOST_CHILDREN = 4;
const USERS_PER_CHILD = 250;
/** A user's result is about 100 bytes. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/**
 * Has the users' places on the mount prepared by children with a deadline; the agent itself never goes there.
 * @param atOnce how many children may work beside each other
 * @param done takes the results of each child as it ends; users that no result names were left for another time
 * @throws OperationError when a child failed; the others have done their part
 */
export async function prepareOnMount(
  mountPath: string,
  request: MountRequest,
  { exec, selfArgv }: MountChildEdges,
  done: (results: readonly MountResult[]) => Promise<void>,
  atOnce: number = MOST_CHILDREN,
): Promise<void> {
  const command: Argv = [...selfArgv, 'mount-directories', mountPath];
  const count = Math.min(atOnce, Math.ceil(request.users.length / USERS_PER_CHILD));
  const places = placesOf(request.users);
  const prepare = async (users: readonly MountUser[]) => {
    const output = await execOk(exec, guardedArgv(mountPath, command, DEADLINE_SECONDS), {
      input: JSON.stringify({ ...request, budgetMs: BUDGET_MS, users, places }),
      timeoutMs: (DEADLINE_SECONDS + 5) * 1000,
      maxOutputBytes: MAX_OUTPUT_BYTES,
      hint: 'the mount may be hung or not there; partners that exist are not affected',
    });
    await done(resultsIn(output));
  };
  const children = Array.from({ length: count }, (_, child) =>
    prepare(request.users.filter((_user, index) => index % count === child)),
  );
  const endings = await Promise.allSettled(children);
  const failure = endings.find((ending) => ending.status === 'rejected');
  if (failure) throw failure.reason;
}

function resultsIn(output: string): readonly MountResult[] {
  try {
    return (JSON.parse(output) as MountResponse).results;
  } catch (cause) {
    throw new OperationError({ op: 'read answer of', target: 'mount-directories' }, cause);
  }
}
