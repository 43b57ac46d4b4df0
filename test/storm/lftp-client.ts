import type { Login } from '../bed/clients.ts';
import { batchClient } from './batch-client.ts';
import type { Client, Step } from './step.ts';

const PORT = 2222;

/** lftp, which has an SFTP implementation of its own. @param netns the bed's network @param sshOptions of ssh(1) */
export function lftpClient(netns: string, sshOptions: (login: Login) => readonly string[]): Client {
  return batchClient({
    argv: () => ['nsenter', `--net=${netns}`, '--', 'env', 'LC_ALL=C.UTF-8', 'lftp', '--norc'],
    preamble: (login, slow) => [
      'set cmd:fail-exit yes',
      // Once only: it would mend by itself what has to be seen.
      'set net:max-retries 1',
      'set net:timeout 30',
      'set sftp:auto-confirm yes',
      `set sftp:connect-program ${quote(['ssh', '-a', '-x', ...sshOptions(login)].join(' '))}`,
      ...(slow ? ['set net:limit-rate 0:100000'] : []),
      `open -u ${login.user},none -p ${PORT} sftp://127.0.0.1`,
    ],
    commands,
    say: (text) => `echo ${text}`,
    sendsOnlyTheRest: false,
    refusal: /: Access failed: (Failure|Permission denied)/,
    timeoutMs: 120_000,
  });
}

const quote = (path: string) => `"${path.replaceAll(/["\\]/g, '\\$&')}"`;

function commands(step: Step, local: string): readonly string[] {
  switch (step.kind) {
    case 'put': {
      const put = `put ${local} -o ${quote(step.temporary ?? step.path)}`;
      return step.temporary === undefined ? [put] : [put, `mv ${quote(step.temporary)} ${quote(step.path)}`];
    }
    case 'resume':
      return [`put -c ${local} -o ${quote(step.path)}`];
    case 'overflow':
    case 'trespass':
      return [`put ${step.kind === 'trespass' ? '/etc/hostname' : local} -o ${quote(step.path)}`];
    case 'get':
      return [`get ${quote(step.path)} -o ${local}`];
    case 'remove':
      return [`rm ${quote(step.path)}`];
    case 'rename':
      return [`mv ${quote(step.from)} ${quote(step.to)}`];
    case 'mkdir':
      return [`mkdir ${quote(step.path)}`];
    default:
      throw new Error(`lftp is not asked to ${step.kind}`);
  }
}
