import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../agent/config.ts';
import { POLICY, sshdSupport } from '../../../agent/host/algorithms.ts';
import { renderSshdConfig } from '../../../agent/host/sshd-config.ts';
import type { Exec } from '../../../agent/os/exec.ts';

const config = (toml = '') =>
  parseConfig(`[mount]\nfile_system_id = "fs-0123456789abcdef0"\n[uploads]\nbucket = "bucket"\n${toml}`);

const render = (toml = '', support = { algorithms: POLICY, directives: [] as readonly string[] }) =>
  renderSshdConfig({
    config: config(toml),
    support,
    hostKeys: ['/etc/s3files-sftp/host-keys/ssh_host_ed25519_key'],
    group: 's3files-sftp',
    keyDirectory: '/etc/s3files-sftp/keys',
    runtime: '/run/s3files-sftp',
  });
/** The value that sshd takes: the first. */
const value = (text: string, keyword: string) =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${keyword} `))
    ?.slice(keyword.length + 1);

describe('renderSshdConfig', () => {
  it('lets in only keys of the marker group, and only to SFTP in the chroot', () => {
    const text = render();
    expect(value(text, 'AllowGroups')).toBe('s3files-sftp s3files-sftp-probe');
    expect(value(text, 'AuthenticationMethods')).toBe('publickey');
    expect(value(text, 'PasswordAuthentication')).toBe('no');
    expect(value(text, 'ChrootDirectory')).toBe('/home/sftp/%u');
    expect(value(text, 'ForceCommand')).toBe('internal-sftp -l VERBOSE -f LOCAL5 -d /upload');
    expect(value(text, 'DisableForwarding')).toBe('yes');
    expect(text).not.toMatch(/^Include /m);
  });

  it('gives the probe account a chroot and a key of its own, and changes nothing for anybody else', () => {
    const [, ...matches] = render().split(/^Match /m);
    expect(matches).toEqual([
      [
        'User s3files-sftp-probe',
        '  ChrootDirectory /run/s3files-sftp/probe',
        '  AuthorizedKeysFile /run/s3files-sftp/probe-key',
        '  ForceCommand internal-sftp -R -l VERBOSE -f LOCAL5',
        '',
      ].join('\n'),
    ]);
  });

  it('listens where the configuration says, the port before the addresses that use it', () => {
    const text = render('[sshd]\nport = 22\nlisten = ["10.0.0.1", "::1"]\n');
    expect(text).toMatch(/^Port 22\nListenAddress 10\.0\.0\.1\nListenAddress ::1$/m);
  });

  it('starts no session in a directory that sshd would split', () => {
    expect(value(render('[users]\ndirectories = ["to us", "x"]\n'), 'ForceCommand')).not.toContain('-d');
    expect(value(render('[users]\ndirectories = ["in"]\n'), 'ForceCommand')).toMatch(/ -d \/in$/);
  });
});

describe('sshdSupport', () => {
  /** An sshd that refuses whatever names one of these, as releases before it do. */
  const sshdWithout =
    (...unknown: string[]): Exec =>
    async (argv) => {
      const refused = unknown.some((name) => argv.at(-1)?.includes(name));
      return { outcome: 'exited', code: refused ? 255 : 0, stdout: '', stderr: '' };
    };

  it('keeps the policy’s order and leaves out what this release does not know (8.7)', async () => {
    const support = await sshdSupport(sshdWithout('mlkem', 'PerSource', 'RequiredRSASize'), 'sshd', '/key');
    expect(support.algorithms.kex).toEqual(POLICY.kex.filter((name) => !name.startsWith('mlkem')));
    expect(support.algorithms.macs).toEqual(POLICY.macs);
    expect(support.directives).toEqual([]);
  });

  it('uses all that a new release knows (9.9)', async () => {
    const support = await sshdSupport(sshdWithout('mlkem768nistp256', 'mlkem1024'), 'sshd', '/key');
    expect(support.algorithms.kex[0]).toBe('mlkem768x25519-sha256');
    expect(support.directives).toEqual(['PerSourcePenalties yes', 'RequiredRSASize 2048']);
  });
});
