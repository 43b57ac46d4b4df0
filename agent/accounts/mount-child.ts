import { OperationError } from '../operation-error.ts';
import type { Edges } from '../os/edges.ts';
import type { Argv } from '../os/exec.ts';
import { execOk } from '../os/exec-ok.ts';
import { guardedArgv } from '../os/transient.ts';
import type { MountRequest, MountResponse, MountResult } from './mount-request.ts';

export interface MountChildEdges extends Pick<Edges, 'exec'> {
  /** How to start this program again: Node.js and its entry file. */
  readonly selfArgv: Argv;
}

/** So that a slow mount makes progress from pass to pass: what one child has done stays done. */
const USERS_PER_CHILD = 2_000;
/** A user takes about ten requests of 1–2 ms on NFS; the first two terms cover start and a slow first answer. */
const deadlineSeconds = (users: number) => Math.ceil(30 + users * 0.05);
/** A user's result is about 100 bytes. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/**
 * Has the users' places on the mount prepared by children with a deadline; the agent itself never goes there.
 * @yields the results of each child as it ends
 * @throws OperationError when a child fails; those before it have done their part
 */
export async function* prepareOnMount(
  mountPath: string,
  request: MountRequest,
  { exec, selfArgv }: MountChildEdges,
): AsyncGenerator<readonly MountResult[]> {
  for (let at = 0; at < request.users.length; at += USERS_PER_CHILD) {
    const users = request.users.slice(at, at + USERS_PER_CHILD);
    const seconds = deadlineSeconds(users.length);
    const command: Argv = [...selfArgv, 'mount-directories', mountPath];
    const output = await execOk(exec, guardedArgv(mountPath, command, seconds), {
      input: JSON.stringify({ ...request, users }),
      timeoutMs: (seconds + 5) * 1000,
      maxOutputBytes: MAX_OUTPUT_BYTES,
      hint: 'the mount may be hung or not there; partners that exist are not affected',
    });
    try {
      yield (JSON.parse(output) as MountResponse).results;
    } catch (cause) {
      throw new OperationError({ op: 'read answer of', target: 'mount-directories' }, cause);
    }
  }
}
