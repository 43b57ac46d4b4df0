import { spawnSync } from 'node:child_process';

/** How each family of hosts gets rpmbuild. */
const INSTALLERS = [
  {
    probe: 'apt-get',
    argv: ['apt-get', 'install', '--yes', '--quiet', '--no-install-recommends', 'rpm'],
    refresh: ['apt-get', 'update', '--quiet'],
  },
  { probe: 'dnf', argv: ['dnf', 'install', '--assumeyes', '--quiet', 'rpm-build'], refresh: undefined },
] as const;

/**
 * Makes sure that rpmbuild is there, installing it as root where a package tool is known.
 * @throws Error that says what to install
 */
export function requireRpmbuild(): void {
  if (runs('rpmbuild', '--version')) return;
  const installer = INSTALLERS.find(({ probe }) => runs(probe, '--version'));
  if (installer !== undefined && process.getuid?.() === 0) {
    process.stderr.write(`installing rpmbuild: ${installer.argv.join(' ')}\n`);
    if (installer.refresh !== undefined) run(installer.refresh);
    run(installer.argv);
  }
  if (!runs('rpmbuild', '--version')) {
    throw new Error(
      'rpmbuild is missing: install the package "rpm" (Debian) or "rpm-build" (Amazon Linux), or run this as root',
    );
  }
}

function runs(file: string, ...args: string[]): boolean {
  return spawnSync(file, args, { stdio: 'ignore' }).status === 0;
}

function run([file, ...args]: readonly [string, ...string[]]): void {
  spawnSync(file, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}
