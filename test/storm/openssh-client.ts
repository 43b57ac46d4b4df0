import type { Login } from '../bed/clients.ts';
import type { Argv } from '../bed/command.ts';
import { batchClient } from './batch-client.ts';
import type { Client, Step } from './step.ts';

/** OpenSSH's own sftp(1) with a batch file. @param argvOf its command line in the bed's network */
export function opensshClient(argvOf: (login: Login, options: readonly string[]) => Argv): Client {
  return batchClient({
    // 800 kbit/s: half a megabyte takes five seconds.
    argv: (login, slow) => argvOf(login, slow ? ['-l', '800'] : []),
    preamble: () => [],
    commands,
    say: (text) => `!echo ${text}`,
    sendsOnlyTheRest: true,
    timeoutMs: 120_000,
  });
}

/** sftp(1) reads words as a shell does, and takes `*` in local names for a pattern. */
const quote = (path: string) => `"${path.replaceAll(/["\\]/g, '\\$&')}"`;
/** In remote names of commands that take a pattern. */
const literal = (path: string) => quote(path).replaceAll(/[*?[\]]/g, '\\$&');

function commands(step: Step, local: string): readonly string[] {
  switch (step.kind) {
    case 'put': {
      const put = `put ${local} ${quote(step.temporary ?? step.path)}`;
      return step.temporary === undefined
        ? [put]
        : [put, `rename ${quote(step.temporary)} ${quote(step.path)}`];
    }
    case 'resume':
      return [`reput ${local} ${quote(step.path)}`];
    case 'overflow':
    case 'trespass':
      return [`-put ${step.kind === 'trespass' ? '/etc/hostname' : local} ${quote(step.path)}`];
    case 'get':
      return [`get ${literal(step.path)} ${local}`];
    case 'remove':
      return [`rm ${literal(step.path)}`];
    case 'rename':
      return [`rename ${quote(step.from)} ${quote(step.to)}`];
    case 'mkdir':
      return [`mkdir ${quote(step.path)}`];
    default:
      throw new Error(`sftp(1) is not asked to ${step.kind}`);
  }
}
