import { spawnSync } from 'node:child_process';
import { say } from './cache.ts';

/** One thing that the bed needs of this machine, how to see that it is there, and which package brings it. */
export interface Prerequisite {
  readonly what: string;
  readonly probe: readonly [string, ...string[]];
  readonly apt: readonly string[];
  readonly dnf: readonly string[];
}

const PREREQUISITES: readonly Prerequisite[] = [
  {
    what: 'mmdebstrap',
    probe: ['mmdebstrap', '--version'],
    apt: ['mmdebstrap', 'debian-archive-keyring'],
    dnf: ['mmdebstrap', 'debian-keyring'],
  },
  {
    what: 'systemd-nspawn',
    probe: ['systemd-nspawn', '--version'],
    apt: ['systemd-container'],
    dnf: ['systemd-container'],
  },
  { what: 'rpmbuild', probe: ['rpmbuild', '--version'], apt: ['rpm'], dnf: ['rpm-build'] },
  {
    what: 'createrepo_c',
    probe: ['createrepo_c', '--version'],
    apt: ['createrepo-c'],
    dnf: ['createrepo_c'],
  },
  { what: 'sftp', probe: ['ssh', '-V'], apt: ['openssh-client'], dnf: ['openssh-clients'] },
  { what: 'strace', probe: ['strace', '--version'], apt: ['strace'], dnf: ['strace'] },
  { what: 'lftp', probe: ['lftp', '--version'], apt: ['lftp'], dnf: ['lftp'] },
  { what: 'ip', probe: ['ip', '-V'], apt: ['iproute2'], dnf: ['iproute'] },
  { what: 'nsenter', probe: ['nsenter', '--version'], apt: ['util-linux'], dnf: ['util-linux'] },
  {
    what: 'python3 with venv',
    probe: ['python3', '-c', 'import venv, ensurepip'],
    apt: ['python3', 'python3-venv'],
    dnf: ['python3', 'python3-pip'],
  },
];

const ROOT_NEEDED =
  'the bed boots real hosts, which needs root on Linux: sudo npm test, or sudo npm run demo';

/**
 * Makes sure that this machine has what the bed needs, installing what is missing with its own package tool.
 * @param further what one kind of bed needs besides
 * @throws Error that says what is missing and how to get it
 */
export function requirePrerequisites(further: readonly Prerequisite[] = []): void {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) throw new Error(ROOT_NEEDED);
  const missing = [...PREREQUISITES, ...further].filter((each) => !runs(each.probe));
  if (missing.length > 0) {
    install(missing);
    const still = missing.filter((each) => !runs(each.probe));
    if (still.length > 0) {
      const packages = still.flatMap((each) => each.apt).join(' ');
      throw new Error(
        `missing: ${still.map((each) => each.what).join(', ')}. Install them (on Debian: apt-get install ${packages}).`,
      );
    }
  }
  requireFuse();
}

function install(missing: readonly Prerequisite[]): void {
  const names = missing.map((each) => each.what).join(', ');
  if (runs(['apt-get', '--version'])) {
    say(`installing ${names} with apt-get, once`);
    const apt = ['apt-get', '-o', 'Acquire::Check-Valid-Until=false', '--quiet'] as const;
    run([...apt, 'update']);
    run([...apt, 'install', '--yes', '--no-install-recommends', ...missing.flatMap((each) => each.apt)]);
  } else if (runs(['dnf', '--version'])) {
    say(`installing ${names} with dnf, once`);
    run(['dnf', 'install', '--assumeyes', '--quiet', ...missing.flatMap((each) => each.dnf)]);
  }
}

/** FUSE stands in for the NFS mount; where it is a module that nobody has loaded, loading it is all it takes. */
function requireFuse(): void {
  if (runs(['test', '-c', '/dev/fuse'])) return;
  runs(['modprobe', 'fuse']);
  if (!runs(['test', '-c', '/dev/fuse'])) {
    throw new Error(
      '/dev/fuse is missing: load the kernel module fuse, or allow the device in this container',
    );
  }
}

function runs([file, ...args]: readonly [string, ...string[]]): boolean {
  return spawnSync(file, args, { stdio: 'ignore' }).status === 0;
}

/** Runs a package tool, showing what it complains about. What is still missing afterwards is found by the caller. */
function run([file, ...args]: readonly [string, ...string[]]): void {
  spawnSync(file, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}
