import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { CONFIG_PATH, parseConfig } from '../config.ts';
import { OperationError } from '../operation-error.ts';
import type { Argv, Exec } from '../os/exec.ts';
import { endingOf } from '../os/exec-ok.ts';
import { readFileIfExists } from '../os/files.ts';
import { type AgentStatus, STATUS_PATH } from '../status.ts';
import { ago } from './output.ts';
import { STALE_MS } from './status-text.ts';

export interface Finding {
  readonly ok: boolean;
  /** What was seen. */
  readonly detail: string;
  /** What mends it. */
  readonly hint?: string;
}

export interface Check {
  readonly name: string;
  run(edges: { exec: Exec }): Promise<Finding>;
}

/** Everything the product needs of a host. A check only looks: none touches a path below the mount. */
export const CHECKS: readonly Check[] = [
  { name: 'configuration', run: configuration },
  { name: 'mount helper', run: mountHelper },
  {
    name: 'botocore',
    run: passes(
      ['python3', '-c', 'import botocore; print(botocore.__version__)'],
      'the mount helper needs it for its logs and named profiles: dnf install python3-botocore',
    ),
  },
  { name: 'credentials in root’s home', run: staleCredentials },
  {
    name: 'mount watchdog',
    run: passes(
      ['systemctl', 'is-active', 'amazon-efs-mount-watchdog.service'],
      'it restarts a dead efs-proxy: systemctl enable --now amazon-efs-mount-watchdog',
    ),
  },
  {
    name: 'agent',
    run: passes(
      ['systemctl', 'is-active', 's3files-sftp-agent.service'],
      'systemctl enable --now s3files-sftp-agent; journalctl -u s3files-sftp-agent',
    ),
  },
  {
    name: 'partner sshd',
    run: passes(
      ['systemctl', 'is-active', 's3files-sftp-sshd.service'],
      'the agent starts it once the mount is proven; see the mount below',
    ),
  },
  {
    name: 'partner sshd configuration',
    run: passes(
      ['sshd', '-t', '-f', '/run/s3files-sftp/sshd_config'],
      'restart the agent, which renders it anew',
    ),
  },
  { name: 'sessions’ log', run: sessionLog },
  { name: 'agent’s own verdict', run: verdict },
];

async function configuration(): Promise<Finding> {
  try {
    const config = parseConfig(await readFile(CONFIG_PATH, 'utf8'));
    const region = config.aws.region ?? process.env.AWS_REGION;
    if (region === undefined) {
      // The unit may have its own AWS_REGION, which can't be seen from here.
      return {
        ok: true,
        detail: `${CONFIG_PATH} is valid; it names no region, so the unit must have AWS_REGION`,
      };
    }
    return { ok: true, detail: `${CONFIG_PATH} is valid; region ${region}` };
  } catch (cause) {
    const hint = cause instanceof OperationError ? cause.hint : undefined;
    return {
      ok: false,
      detail: cause instanceof Error ? cause.message : String(cause),
      ...(hint && { hint }),
    };
  }
}

async function mountHelper(): Promise<Finding> {
  for (const path of ['/usr/sbin/mount.s3files', '/sbin/mount.s3files']) {
    try {
      await access(path, constants.X_OK);
      return { ok: true, detail: path };
    } catch {
      // The other place is tried.
    }
  }
  return {
    ok: false,
    detail: 'mount.s3files is missing: mount would say "unknown filesystem type \'s3files\'"',
    hint: 'dnf install amazon-efs-utils (3.1.2 or later); the mount type is s3files, never efs',
  };
}

/** /root/.aws [default] wins over the instance's role, so keys that somebody left there break mounts much later. */
async function staleCredentials(): Promise<Finding> {
  const text = await readFileIfExists('/root/.aws/credentials').catch(() => undefined);
  if (text === undefined || !/^\s*\[default\]/m.test(text)) return { ok: true, detail: 'none' };
  return {
    ok: false,
    detail:
      '/root/.aws/credentials has a [default] profile, which the mount helper prefers to the instance’s role',
    hint: 'remove it, or give the profile another name',
  };
}

/** What the agent found out by a login of its own; a host where it could not try yet is not at fault. */
async function sessionLog(): Promise<Finding> {
  const text = await readFileIfExists(STATUS_PATH);
  const { sessionLog: log }: Partial<AgentStatus> = text === undefined ? {} : JSON.parse(text);
  if (log === undefined || log.state === 'unproven')
    return { ok: true, detail: `not proven yet${log?.problem == null ? '' : `: ${log.problem}`}` };
  if (log.state === 'heard') return { ok: true, detail: 'a login’s lines come out of its chroot' };
  return {
    ok: false,
    detail:
      'MetricsDegraded: a login’s lines do not come out of its chroot; uploads are counted approximately',
    hint: 'ls -l /run/s3files-sftp/dev/log /run/systemd/journal.s3files-sftp/; ausearch -m avc -c sshd; systemctl status systemd-journald@s3files-sftp.socket',
  };
}

async function verdict(): Promise<Finding> {
  const text = await readFileIfExists(STATUS_PATH);
  return judge(text === undefined ? undefined : JSON.parse(text), Date.now());
}

/** The agent's own verdict, unless it is of an agent that is dead or stuck: what it said then may be long untrue. */
export function judge(status: AgentStatus | undefined, now: number): Finding {
  if (status === undefined) return { ok: false, detail: 'it has not run since the host started' };
  const { mount, reasons } = status;
  if (now - status.at > STALE_MS) {
    const detail = `its last word was ${ago(status.at, now)}: ${status.state}; mount ${mount.health}`;
    return {
      ok: false,
      detail,
      hint: 'systemctl status s3files-sftp-agent; journalctl -u s3files-sftp-agent',
    };
  }
  const detail = `${status.state}; mount ${mount.health}: ${mount.detail}`;
  return {
    ok: status.state === 'healthy',
    detail: [detail, ...reasons].join('; '),
    ...(mount.hint !== undefined && { hint: mount.hint }),
  };
}

/** A check that a command exits 0; its first line of output is the detail. */
function passes(argv: Argv, hint: string): Check['run'] {
  return async ({ exec }) => {
    const result = await exec(argv, { timeoutMs: 10_000 });
    if (result.outcome !== 'exited') return { ok: false, detail: endingOf(result), hint };
    const [line = ''] = `${result.stdout}\n${result.stderr}`.trim().split('\n');
    return { ok: result.code === 0, detail: line === '' ? 'fine' : line.slice(0, 300), hint };
  };
}
