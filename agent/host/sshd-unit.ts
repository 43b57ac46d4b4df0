import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { OperationError } from '../operation-error.ts';
import { MARKER_GROUP } from '../os/account-marks.ts';
import type { Edges } from '../os/edges.ts';
import { execOk } from '../os/exec-ok.ts';
import { ensureDirectory, readFileIfExists, writeFileDurable, writeFileIfChanged } from '../os/files.ts';
import { daemonReload } from '../os/systemd.ts';
import { mountUnitName } from '../os/unit-name.ts';
import { type SshdSupport, sshdSupport } from './algorithms.ts';
import { ensureHostKeys, hostKeyPaths, missingHostKeys } from './host-keys.ts';
import { type HostPaths, SSHD_UNIT } from './paths.ts';
import { renderSshdConfig } from './sshd-config.ts';

/** One key file for each user, outside of every chroot. */
const KEY_DIRECTORY = '/etc/s3files-sftp/keys';

/** Binds the sshd to the mount: when that goes, sessions end, whether or not the agent lives. */
export function renderDropIn(mountPath: string): string {
  const unit = mountUnitName(mountPath);
  return `# Rendered by s3files-sftp-agent from /etc/s3files-sftp/config.toml; changes here are lost.
[Unit]
BindsTo=${unit}
After=${unit}

[Service]
Environment=MOUNT_POINT=${mountPath}
`;
}

/** Renders what the partner sshd reads. */
export interface SshdFiles {
  /**
   * Makes missing host keys (or, where a secret holds them, waits for it), writes the drop-in and the configuration.
   * One that this sshd refuses leaves the old one in force. @returns whether a running sshd should read its configuration again @throws OperationError
   */
  render(config: Config): Promise<boolean>;
  /** Whether there is a configuration that an sshd could start with. */
  exist(): Promise<boolean>;
}

export function createSshdFiles(paths: HostPaths, { exec, log }: Pick<Edges, 'exec' | 'log'>): SshdFiles {
  const configPath = join(paths.runtime, 'sshd_config');
  /** Asked once: it changes only with the package, whose upgrade restarts nothing of ours but is followed by a reboot. */
  let support: SshdSupport | undefined;

  const writeConfig = async (text: string): Promise<boolean> => {
    if ((await readFileIfExists(configPath)) === text) return false;
    const candidate = `${configPath}.new`;
    await writeFileDurable(candidate, text, { mode: 0o600 });
    const hint =
      'the old configuration of the partner sshd stays in force; see /etc/s3files-sftp/config.toml';
    await execOk(exec, [paths.sshd, '-t', '-f', candidate], { timeoutMs: 5_000, hint });
    await rename(candidate, configPath);
    return true;
  };

  const supportOf = async (hostKey: string): Promise<SshdSupport> => {
    const found = await sshdSupport(exec, paths.sshd, hostKey);
    const { kex, ciphers, macs } = found.algorithms;
    if (kex.length > 0 && ciphers.length > 0 && macs.length > 0) return found;
    const hint = `see: ${paths.sshd} -t -f /dev/null -h ${hostKey}; /run/sshd may be missing, or a crypto policy be at odds`;
    throw new OperationError(
      { op: 'configure', target: SSHD_UNIT, hint },
      'sshd accepts none of the algorithms',
    );
  };

  /** Keys of this host's own, or those of the secret; without them nobody must learn another fingerprint. */
  const haveHostKeys = async (secret: string | undefined): Promise<void> => {
    if (secret === undefined) {
      const made = await ensureHostKeys(paths.hostKeys, exec);
      if (made.length > 0) log.info({ hostKeys: made }, 'made host keys');
      return;
    }
    const missing = await missingHostKeys(paths.hostKeys);
    if (missing.length === 0) return;
    const hint = 'partners would see a changed fingerprint; see why in: journalctl -u s3files-sftp-agent';
    throw new OperationError(
      { op: 'start', target: SSHD_UNIT, hint },
      `the host keys (${missing.join(', ')}) have not come from the secret ${secret} yet`,
    );
  };

  return {
    render: async (config) => {
      await haveHostKeys(config.sshd.host_keys_secret);
      const hostKeys = hostKeyPaths(paths.hostKeys);
      support ??= await supportOf(hostKeys[0] ?? '');

      const dropIns = join(paths.units, `${SSHD_UNIT}.d`);
      await ensureDirectory(dropIns);
      const dropIn = renderDropIn(config.mount.path);
      if (await writeFileIfChanged(join(dropIns, 'mount.conf'), dropIn, { mode: 0o644 })) {
        await daemonReload(exec);
      }
      const identity = { hostKeys, group: MARKER_GROUP, keyDirectory: KEY_DIRECTORY, runtime: paths.runtime };
      return await writeConfig(renderSshdConfig({ config, support, ...identity }));
    },
    exist: async () => (await readFileIfExists(configPath)) !== undefined,
  };
}
