import { join } from 'node:path';
import { AWS_ENVIRONMENT } from './aws-client.ts';
import { type Bed, type BootOptions, boot } from './boot.ts';
import { commandOk, until } from './command.ts';
import { BUCKET, FILE_SYSTEM } from './s3-files.ts';

const ROOT = join(import.meta.dirname, '..', '..');
export const PREFIX = 's3files-sftp/users/';
export const AGENT = 's3files-sftp-agent.service';
export const SSHD = 's3files-sftp-sshd.service';

/** Builds the product's RPM from the sources as they are. @returns its path */
export async function productRpm(): Promise<string> {
  const output = await commandOk([process.execPath, 'packaging/rpm/build.ts'], {
    cwd: ROOT,
    timeoutMs: 300_000,
  });
  return output.trim().split('\n').at(-1) ?? '';
}

/** Periods of seconds where a real host has minutes, so that a test need not wait. */
export const QUICK_CONFIG = `
[users]
poll_seconds = 2

[mount]
file_system_id = "${FILE_SYSTEM}"
probe_seconds = 1
probe_deadline_seconds = 1
write_probe_seconds = 15
max_backoff_seconds = 5

[uploads]
bucket = "${BUCKET}"
export_delay_seconds = 1
delivery_deadline_seconds = 60

[metrics]
publish_seconds = 2
`;

/**
 * What this bed is and the real host is not: where AWS answers, and that its mount is FUSE's. The environment, so that
 * no configuration key exists only for tests.
 */
const DROP_IN = [
  '[Service]',
  ...Object.entries({ ...AWS_ENVIRONMENT, S3FILES_SFTP_EXPECTED_FSTYPE: 'fuse' }).map(
    ([name, value]) => `Environment=${name}=${value}`,
  ),
  '',
].join('\n');

/** Boots a host and installs the product the way an operator does; it is not started yet. */
export async function bootWithProduct(
  rpm: string,
  config: string = QUICK_CONFIG,
  options: BootOptions = {},
): Promise<Bed> {
  const bed = await boot({ ...options, packages: [rpm] });
  try {
    await bed.install('s3files-sftp-agent');
    await bed.writeFile('/etc/s3files-sftp/config.toml', config);
    await bed.writeFile(`/etc/systemd/system/${AGENT}.d/bed.conf`, DROP_IN);
    await bed.run(['systemctl', 'daemon-reload']);
    return bed;
  } catch (error) {
    await bed.shutdown();
    throw error;
  }
}

/** Starts the agent as an operator does. @throws Error with its log, when it does not become ready */
export async function startAgent(bed: Bed): Promise<void> {
  const { code, stderr } = await bed.exec(['systemctl', 'enable', '--now', AGENT]);
  if (code !== 0) throw new Error(`the agent did not start: ${stderr}\n${await agentLog(bed)}`);
}

/** Waits until partners are served. @throws Error with the agent's log, when they are not in time */
export async function waitHealthy(bed: Bed, timeoutSeconds = 30): Promise<void> {
  const { code, stdout } = await bed.exec(
    ['s3files-sftp', 'status', '--wait', 'healthy', '--timeout', String(timeoutSeconds)],
    { timeoutMs: (timeoutSeconds + 10) * 1000 },
  );
  if (code !== 0)
    throw new Error(`not healthy after ${timeoutSeconds} s:\n${stdout}\n${await agentLog(bed)}`);
}

/** The status as `s3files-sftp status --json` prints it. */
export async function agentStatus(bed: Bed) {
  const { stdout } = await bed.exec(['s3files-sftp', 'status', '--json']);
  return JSON.parse(stdout);
}

/** The agent's last log lines, for a failure's message. */
export async function agentLog(bed: Bed, lines = 60): Promise<string> {
  const { stdout } = await bed.exec([
    'journalctl',
    '-o',
    'cat',
    '-n',
    String(lines),
    '-u',
    AGENT,
    '-u',
    SSHD,
  ]);
  return stdout;
}

/** The agent's own log, as the JSON it wrote; lines of systemd's are left out. */
export async function agentEvents(bed: Bed): Promise<ReadonlyArray<Readonly<Record<string, unknown>>>> {
  const entries = await bed.journal({ unit: AGENT });
  return entries.flatMap(({ MESSAGE = '' }) => (MESSAGE.startsWith('{') ? [JSON.parse(MESSAGE)] : []));
}

/** Resolves when a user's key file is there: the last thing that a new account gets. */
export async function accountReady(bed: Bed, user: string): Promise<void> {
  const ready = async () => (await bed.exec(['test', '-s', `/etc/s3files-sftp/keys/${user}`])).code === 0;
  await until(`the account of ${user}`, ready, { timeoutMs: 20_000, everyMs: 100 }).catch(async (cause) => {
    throw new Error(`${user} has no account:\n${await agentLog(bed)}`, { cause });
  });
}
