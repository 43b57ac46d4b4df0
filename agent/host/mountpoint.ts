import { OperationError } from '../operation-error.ts';
import type { Argv, Exec } from '../os/exec.ts';
import { endingOf, execOk } from '../os/exec-ok.ts';
import { transientArgv } from '../os/transient.ts';

const DEADLINE_SECONDS = 5;

/**
 * Makes the directory ready that lies below the mount: it exists, is empty and immutable, so that nothing can land on
 * the local disk while the mount is away. To be called only when nothing is mounted there.
 * @returns why it could not be made immutable, on a file system that has no such attribute
 * @throws OperationError when it holds something: mounting would hide that, and the partners' files may be among it
 */
export async function ensureMountpoint(path: string, exec: Exec): Promise<string | undefined> {
  const timeoutMs = DEADLINE_SECONDS * 1000;
  // In children, as all that faces the mount: it may come back at any moment.
  const first = await exec(['find', path, '-mindepth', '1', '-maxdepth', '1', '-print', '-quit'], {
    timeoutMs,
  });
  if (first.outcome !== 'exited') {
    throw new OperationError({ op: 'look into', target: path }, endingOf(first));
  }
  if (first.stdout !== '') {
    throw new OperationError(
      {
        op: 'mount on',
        target: path,
        hint: `move what is in ${path} away (it may be partners’ files that landed on the local disk), then chattr -i ${path} if need be`,
      },
      `it is not empty: ${JSON.stringify(first.stdout.trimEnd().slice(0, 200))}`,
    );
  }
  if (first.code !== 0) await outside(exec, ['mkdir', '--parents', '--mode=0755', '--', path]);
  const attributes = await exec(['lsattr', '-d', '--', path], { timeoutMs });
  if (attributes.outcome === 'exited' && /^\S*i\S* /.test(attributes.stdout)) return undefined;
  try {
    await outside(exec, ['chattr', '+i', '--', path]);
    return undefined;
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}

/** The agent's sandbox allows neither. */
async function outside(exec: Exec, argv: Argv): Promise<void> {
  await execOk(exec, transientArgv(argv, DEADLINE_SECONDS), { timeoutMs: (DEADLINE_SECONDS + 3) * 1000 });
}
