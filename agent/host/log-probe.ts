import { join } from 'node:path';
import type { Config } from '../config.ts';
import { messageOf } from '../operation-error.ts';
import { PROBE_USER } from '../os/account-marks.ts';
import { setPasswords } from '../os/accounts.ts';
import type { Edges } from '../os/edges.ts';
import type { Argv } from '../os/exec.ts';
import { endingOf } from '../os/exec-ok.ts';
import { readFileIfExists } from '../os/files.ts';
import { parseShadow } from '../os/passwd.ts';
import type { LoginAnswer, LoginRequest } from './log-probe-login.ts';
import { PROBE_KEY } from './paths.ts';

/** The child's own deadline is shorter. */
const LOGIN_MS = 15_000;

/**
 * Logs in as the probe account, whose sessions do nothing: the first line of one shows whether sshd's lines come out
 * of a chroot on this host.
 * @param argv the hidden command `log-probe`
 * @returns why no session could be opened, or null when one was
 */
export async function probeLogin(
  config: Config,
  runtime: string,
  argv: Argv,
  edges: Pick<Edges, 'exec' | 'log'>,
): Promise<string | null> {
  const locked = await unlock(edges);
  if (locked !== null) return locked;
  const { listen, port } = config.sshd;
  const host = reachable(listen);
  const request: LoginRequest = {
    user: PROBE_USER,
    host,
    port,
    keyFile: join(runtime, PROBE_KEY),
    from: ['127.0.0.1', '::1', host],
  };
  const result = await edges.exec(argv, { input: JSON.stringify(request), timeoutMs: LOGIN_MS });
  if (result.outcome !== 'exited' || result.code !== 0) return `the login’s process: ${endingOf(result)}`;
  try {
    const { problem }: LoginAnswer = JSON.parse(result.stdout);
    return problem;
  } catch (cause) {
    return messageOf(cause);
  }
}

/** An address that this host reaches its own sshd at. */
function reachable(listen: readonly string[]): string {
  const anywhere = listen.some((address) => address === '0.0.0.0' || address.startsWith('127.'));
  if (anywhere) return listen.find((address) => address.startsWith('127.')) ?? '127.0.0.1';
  return listen.includes('::') ? '::1' : (listen[0] ?? '127.0.0.1');
}

/**
 * systemd-sysusers gives a new account the password `!*`, with which an sshd without PAM lets nobody in, by key
 * neither. @returns why the account can't be used, or null
 */
async function unlock({ exec }: Pick<Edges, 'exec'>): Promise<string | null> {
  try {
    const entries = parseShadow((await readFileIfExists('/etc/shadow')) ?? '');
    const account = entries.find(({ name }) => name === PROBE_USER);
    if (account === undefined) return `there is no account ${PROBE_USER}: systemd-sysusers s3files-sftp.conf`;
    if (account.password === 'keys-only') return null;
    const [failure] = await setPasswords([{ user: PROBE_USER, locked: false }], { root: '/', exec });
    return failure === undefined ? null : messageOf(failure.cause);
  } catch (cause) {
    return messageOf(cause);
  }
}
