import type { Exec } from '../os/exec.ts';

/** What sshd may negotiate; each list in the order of preference. */
export interface Algorithms {
  readonly kex: readonly string[];
  readonly ciphers: readonly string[];
  readonly macs: readonly string[];
}

/**
 * AWS Transfer Family's TransferSecurityPolicy-2025-03, so that a partner who could connect there can connect here
 * (https://docs.aws.amazon.com/transfer/latest/userguide/security-policies.html).
 */
export const POLICY: Algorithms = {
  kex: [
    'mlkem768x25519-sha256',
    'mlkem768nistp256-sha256',
    'mlkem1024nistp384-sha384',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
    'diffie-hellman-group-exchange-sha256',
  ],
  ciphers: ['aes256-gcm@openssh.com', 'aes128-gcm@openssh.com', 'aes128-ctr', 'aes256-ctr', 'aes192-ctr'],
  macs: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com'],
};

/** Directives that only some releases know (OpenSSH release notes: 9.8 and 9.1). */
export const OPTIONAL_DIRECTIVES = ['PerSourcePenalties yes', 'RequiredRSASize 2048'] as const;

export interface SshdSupport {
  readonly algorithms: Algorithms;
  readonly directives: readonly string[];
}

const KEYWORDS = { kex: 'KexAlgorithms', ciphers: 'Ciphers', macs: 'MACs' } as const;

/**
 * The part of the policy that this host's sshd knows: one unknown name, and sshd does not start. Each name is given to
 * `sshd -t`, since that knows what the build and its crypto library really have; `ssh -Q` may not be installed.
 * @param hostKey a private key file: sshd tests nothing without one
 */
export async function sshdSupport(exec: Exec, sshd: string, hostKey: string): Promise<SshdSupport> {
  const accepts = async (keyword: string, value: string): Promise<boolean> => {
    const argv = [sshd, '-t', '-f', '/dev/null', '-h', hostKey, '-o', `${keyword}=${value}`] as const;
    const result = await exec(argv, { timeoutMs: 5_000 });
    return result.outcome === 'exited' && result.code === 0;
  };
  const known = async (kind: keyof typeof KEYWORDS): Promise<string[]> => {
    const verdicts = await Promise.all(POLICY[kind].map((name) => accepts(KEYWORDS[kind], name)));
    return POLICY[kind].filter((_, i) => verdicts[i]);
  };
  const [kex, ciphers, macs] = [await known('kex'), await known('ciphers'), await known('macs')];
  const directives: string[] = [];
  for (const directive of OPTIONAL_DIRECTIVES) {
    const [keyword = '', value = ''] = directive.split(' ');
    if (await accepts(keyword, value)) directives.push(directive);
  }
  return { algorithms: { kex, ciphers, macs }, directives };
}
