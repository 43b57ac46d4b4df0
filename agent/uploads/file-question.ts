import type { Config } from '../config.ts';
import type { Edges } from '../os/edges.ts';
import type { Argv } from '../os/exec.ts';
import { guardedArgv } from '../os/transient.ts';
import type { Outstanding } from './state.ts';

const DEADLINE_SECONDS = 3;
/** Starting the unit takes its time on a busy host. */
const TIMEOUT_MS = 6_000;
/** When very many are asked about at once, the others go without an answer. */
const MOST_WAITING = 4;

/**
 * Asks a command about an upload's file on the mount.
 * @param commandOf its argv @param path absolute, on the host
 * @param answerOf what its standard output says
 * @returns null where there is no answer: the command failed or is missing, too many ask, or the mount hangs
 */
export type FileQuestion = <T>(
  item: Pick<Outstanding, 'user' | 'path'>,
  commandOf: (path: string) => Argv,
  answerOf: (stdout: string) => T | null,
) => Promise<T | null>;

/**
 * The file is on the mount, so a child is asked, where links are not followed: whoever can write the bucket can plant
 * them in the place of directories. One at a time; while one hangs there, no other is started.
 */
export function createFileQuestion(config: () => Config, edges: Pick<Edges, 'exec'>): FileQuestion {
  let stuck = false;
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();

  const outputOf = async (command: Argv): Promise<string | null> => {
    if (stuck) return null;
    const argv = guardedArgv(config().mount.path, command, DEADLINE_SECONDS);
    const result = await edges.exec(argv, { timeoutMs: TIMEOUT_MS, maxOutputBytes: 16_384 });
    if (result.outcome === 'timeout') {
      stuck = true;
      void result.reaped.then(() => {
        stuck = false;
      });
      return null;
    }
    return result.outcome === 'exited' ? result.stdout : null;
  };

  return async ({ user, path }, commandOf, answerOf) => {
    if (waiting >= MOST_WAITING) return null;
    waiting += 1;
    const turn = last.then(() => outputOf(commandOf(`${config().mount.path}/${user}${path}`)));
    last = turn.catch(() => {});
    const output = await turn.finally(() => {
      waiting -= 1;
    });
    return output === null ? null : answerOf(output);
  };
}
