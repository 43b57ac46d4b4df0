import type { ChildProcess } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Argv, type CommandResult, command, commandOk, spawnBound } from './command.ts';
import { connectSsh2, type Ssh2Session } from './ssh2-client.ts';

export interface Key {
  /** The private key's file. */
  readonly path: string;
  /** The public key as one OpenSSH line. */
  readonly publicKey: string;
  /** `SHA256:…`, as in sshd's log. */
  readonly fingerprint: string;
}

/** Who logs in, and from where. */
export interface Login {
  readonly user: string;
  readonly key: Key;
  /** Default: 2222, the partner sshd's. */
  readonly port?: number;
  /** A loopback address to come from, such as 127.0.0.2. */
  readonly localAddress?: string;
}

/** Partners: OpenSSH's own client, and ssh2 as a program would use it. */
export interface Clients {
  /** Makes a key pair. @param name a file name @param type as ssh-keygen takes it; default ed25519 */
  key(name: string, type?: string): Promise<Key>;
  /** OpenSSH's sftp in batch mode; it stops at the first command that fails, unless that begins with `-`. */
  sftp(login: Login, commands: readonly string[], options?: { timeoutMs?: number }): Promise<CommandResult>;
  /** The same, still running: kill it with SIGINT for a Ctrl-C, with SIGKILL for a crash. */
  startSftp(login: Login, commands: readonly string[]): ChildProcess;
  /** OpenSSH's ssh with more arguments: `[]` asks for a shell, `['-W', 'localhost:22']` for a forward. */
  ssh(
    login: Login,
    args: readonly string[],
    options?: { timeoutMs?: number; remoteCommand?: string },
  ): Promise<CommandResult>;
  /** The command line of OpenSSH's sftp that reads a batch from standard input. @param more of its options */
  sftpArgv(login: Login, more?: readonly string[]): Argv;
  /** Options of OpenSSH's ssh for a login, for other clients that start it. */
  sshOptions(login: Login): readonly string[];
  /** The path of the bed's network namespace, in which the host listens on 127.0.0.1. */
  readonly netns: string;
  /** A session of ssh2, whose connection can be cut. @throws Error when the login is refused */
  connect(login: Login): Promise<Ssh2Session>;
}

const DEFAULT_PORT = 2222;

/** Nothing of this machine's own configuration, keys or agent. */
const OPTIONS = [
  ...['-F', '/dev/null', '-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', '-o', 'IdentityAgent=none'],
  ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'],
  ...['-o', 'PreferredAuthentications=publickey', '-o', 'ConnectTimeout=10'],
];

/** @param directory for keys and the bridge's socket @param netns the bed's network namespace */
export function createClients(directory: string, netns: string): Clients {
  const inNetwork = (argv: Argv): Argv => ['nsenter', `--net=${netns}`, '--', ...argv];
  const options = ({ key, port = DEFAULT_PORT, localAddress }: Login) => [
    ...OPTIONS,
    ...['-i', key.path, '-o', `Port=${port}`],
    ...(localAddress === undefined ? [] : ['-o', `BindAddress=${localAddress}`]),
  ];
  const sftpArgv = (login: Login, more: readonly string[] = []) =>
    inNetwork(['sftp', '-b', '-', ...more, ...options(login), `${login.user}@127.0.0.1`]);
  const script = (commands: readonly string[]) => commands.map((line) => `${line}\n`).join('');

  return {
    netns,
    sftpArgv,
    sshOptions: options,
    key: async (name, type = 'ed25519') => {
      const path = join(directory, 'keys', name);
      await mkdir(join(directory, 'keys'), { recursive: true, mode: 0o700 });
      await commandOk(['ssh-keygen', '-q', '-t', type, '-N', '', '-C', name, '-f', path]);
      const fingerprint = (await commandOk(['ssh-keygen', '-l', '-f', `${path}.pub`])).split(' ')[1] ?? '';
      return { path, fingerprint, publicKey: (await readFile(`${path}.pub`, 'utf8')).trim() };
    },
    sftp: async (login, commands, { timeoutMs = 120_000 } = {}) =>
      await command(sftpArgv(login), { input: script(commands), timeoutMs }),
    startSftp: (login, commands) => {
      const child = spawnBound(sftpArgv(login), { stdio: ['pipe', 'pipe', 'pipe'] });
      child.stdin?.end(script(commands));
      return child;
    },
    ssh: async (login, args, { timeoutMs = 20_000, remoteCommand } = {}) => {
      const remote = remoteCommand === undefined ? [] : [remoteCommand];
      const argv = ['ssh', ...options(login), ...args, `${login.user}@127.0.0.1`, ...remote] as const;
      return await command(inNetwork(argv), { timeoutMs });
    },
    connect: async ({ user, key, port = DEFAULT_PORT, localAddress }) =>
      await connectSsh2(directory, { user, keyPath: key.path, port, ...(localAddress && { localAddress }) }),
  };
}
