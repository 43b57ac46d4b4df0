import { OperationError } from '../operation-error.ts';
import type { Argv, Exec, ExecOptions, ExecResult } from './exec.ts';

/**
 * Runs a command that has to succeed.
 * @returns its standard output
 * @throws OperationError naming the command, how it ended and the last line that it wrote to standard error
 */
export async function execOk(
  exec: Exec,
  argv: Argv,
  options: ExecOptions & { hint?: string } = {},
): Promise<string> {
  const result = await exec(argv, options);
  if (result.outcome === 'exited' && result.code === 0) return result.stdout;
  const { hint } = options;
  throw new OperationError({ op: 'run', target: argv.join(' '), ...(hint && { hint }) }, endingOf(result));
}

/** How a command ended, in a few words: `exit 1: umount: /x: not mounted.` */
export function endingOf(result: ExecResult): string {
  switch (result.outcome) {
    case 'exited':
      return `exit ${result.code}${lastLine(result.stderr)}`;
    case 'signaled':
      return `killed by ${result.signal}${lastLine(result.stderr)}`;
    case 'timeout':
      return `no end after ${result.timeoutMs / 1000} s, killed${lastLine(result.stderr)}`;
    case 'unstartable':
      return result.cause.message;
  }
}

function lastLine(text: string): string {
  const line = text.trimEnd().split('\n').at(-1);
  return line ? `: ${line.slice(0, 500)}` : '';
}
