import { mkdir, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cached } from './cache.ts';
import { commandOk } from './command.ts';

/**
 * Debian's packages for what Amazon Linux 2023 has by default or the product asks for; dnf and rpm so that the
 * product is installed as on the real host; bindfs for the stand-in of S3 Files.
 */
const PACKAGES = [
  ...['systemd', 'systemd-sysv', 'dbus', 'util-linux', 'procps', 'iproute2', 'e2fsprogs', 'attr'],
  ...['openssh-server', 'openssh-sftp-server', 'openssh-client', 'lftp'],
  ...['rpm', 'dnf', 'python3', 'fuse3', 'bindfs', 'libcap2-bin'],
];

/** Used where this machine isn't Debian; mmdebstrap then takes its own default mirror. */
const DEFAULT_SUITE = 'bookworm';

/** Where the bed's package repositories appear in the host; see repository.ts. */
const YUM_REPOSITORIES = ['stubs', 'product']
  .map(
    (name) =>
      `[${name}]\nname=${name}\nbaseurl=file:///srv/repository/${name}\ngpgcheck=0\nmetadata_expire=1\n`,
  )
  .join('\n');

/** What a fresh host has besides its packages. */
const FILES: ReadonlyArray<readonly [path: string, content: string]> = [
  ['etc/yum.repos.d/bed.repo', YUM_REPOSITORIES],
  ['etc/hostname', 'sftp-host\n'],
  ['etc/hosts', '127.0.0.1 localhost sftp-host\n::1 localhost\n'],
  // Nothing answers DNS in a bed; without a name server a look-up fails at once.
  ['etc/resolv.conf', ''],
  ['etc/apt/sources.list', ''],
  ['etc/machine-id', ''],
];

/** A root file system that holds more than a container's. */
export interface RootFlavor {
  /** The name of its directory in the cache. */
  readonly name: string;
  /** Debian packages besides those of every host. */
  readonly packages: readonly string[];
  /** Changes the finished root; its text is an ingredient. */
  readonly finish: (root: string) => Promise<void>;
}

/**
 * The directory of a Debian root file system without a trace of the machine that built it. Never written to.
 * @param flavor without one, the root of a container
 */
export async function rootFileSystem(flavor?: RootFlavor): Promise<string> {
  const { suite, sources } = await debianSources();
  const { name = 'root', packages = [], finish } = flavor ?? {};
  return await cached({
    name,
    ingredients: [
      suite,
      process.arch,
      await readFile(import.meta.filename, 'utf8'),
      ...packages,
      String(finish ?? ''),
    ],
    announcement: `building a Debian root file system (${name}, ${suite}), once; it typically takes a minute`,
    build: async (directory) => {
      await commandOk(
        [
          'mmdebstrap',
          '--quiet',
          '--mode=root',
          '--variant=minbase',
          // A machine may be set up with a snapshot of the archive, whose Release files are past their date.
          '--aptopt=Acquire::Check-Valid-Until "false"',
          `--include=${[...PACKAGES, ...packages].join(',')}`,
          suite,
          directory,
          ...sources,
        ],
        { timeoutMs: 15 * 60_000 },
      );
      await customize(directory);
      await finish?.(directory);
    },
  });
}

async function customize(root: string): Promise<void> {
  const apt = join(root, 'etc/apt/sources.list.d');
  await rm(apt, { recursive: true, force: true });
  await rm(join(root, 'var/lib/apt/lists'), { recursive: true, force: true });
  for (const name of await readdir(join(root, 'etc/ssh'))) {
    if (name.startsWith('ssh_host_')) await unlink(join(root, 'etc/ssh', name));
  }
  for (const [path, content] of FILES) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  // Without host keys it could only fail; a test that wants an administrator's sshd makes keys and starts it.
  await commandOk(['systemctl', `--root=${root}`, 'disable', 'ssh.service']);
  // They can't do in a container what they are for.
  await commandOk(['systemctl', `--root=${root}`, 'mask', 'e2scrub_reap.service', 'apt-daily.timer']);
}

/** This machine's own apt sources, where it is Debian: they are known to answer here. */
async function debianSources(): Promise<{ suite: string; sources: string[] }> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1];
  if (!/^ID=debian$/m.test(release) || suite === undefined) return { suite: DEFAULT_SUITE, sources: [] };
  const directory = '/etc/apt/sources.list.d';
  const names = await readdir(directory).catch(() => []);
  const paths = ['/etc/apt/sources.list', ...names.map((name) => join(directory, name))];
  const sources: string[] = [];
  for (const path of paths.filter((each) => /\.(list|sources)$/.test(each))) {
    const text = await readFile(path, 'utf8').catch(() => '');
    // Others' repositories (a Node.js, a browser) are left out: only the archive of this suite.
    if (new RegExp(`^(Suites:|deb ).*\\b${suite}\\b`, 'm').test(text)) sources.push(path);
  }
  return { suite, sources };
}
