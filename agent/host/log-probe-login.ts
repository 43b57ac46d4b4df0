import { text } from 'node:stream/consumers';
import { Client, utils } from 'ssh2';
import { messageOf } from '../operation-error.ts';
import { removeFileDurable, writeFileDurable } from '../os/files.ts';

/** What the agent asks of the child. */
export interface LoginRequest {
  readonly user: string;
  readonly host: string;
  readonly port: number;
  /** Where the sshd looks for the account's public key; only root can write there. */
  readonly keyFile: string;
  /** Addresses that the login may come from. */
  readonly from: readonly string[];
}

/** How it went; `problem` is null when an SFTP session was opened. */
export interface LoginAnswer {
  readonly problem: string | null;
}

const READY_TIMEOUT_MS = 8_000;

/**
 * The hidden command `log-probe`: opens one SFTP session of the probe account's and ends it. In a process of its own,
 * since ssh2 would stay in the daemon's memory for good. The key lives as long as the login: nobody else ever has it.
 * Reads a {@link LoginRequest} from standard input, writes a {@link LoginAnswer}.
 */
export async function runLogProbe(): Promise<number> {
  const request: LoginRequest = JSON.parse(await text(process.stdin));
  const keys = utils.generateKeyPairSync('ed25519');
  const line = `restrict,from="${request.from.join(',')}" ${keys.public} ${request.user}\n`;
  let problem: string | null = null;
  try {
    await writeFileDurable(request.keyFile, line, { mode: 0o644 });
    await login(request, keys.private);
  } catch (cause) {
    problem = messageOf(cause);
  } finally {
    await removeFileDurable(request.keyFile).catch(() => {});
  }
  process.stdout.write(JSON.stringify({ problem } satisfies LoginAnswer));
  return 0;
}

async function login({ user, host, port }: LoginRequest, privateKey: string): Promise<void> {
  const client = new Client();
  try {
    await new Promise<void>((resolve, reject) => {
      client.on('error', reject);
      client.once('close', () => reject(new Error('the connection was closed')));
      client.once('ready', () => client.sftp((error) => (error ? reject(error) : resolve())));
      client.connect({ host, port, username: user, privateKey, readyTimeout: READY_TIMEOUT_MS });
    });
  } finally {
    client.end();
  }
}
