import { spawnSync } from 'node:child_process';
import { chmod, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { bundleAgent } from './bundle.ts';
import { requireRpmbuild } from './rpmbuild.ts';

/**
 * `npm run rpm`: bundles the agent, lays out the package's files and runs rpmbuild.
 * The result is dist/rpm/s3files-sftp-agent-VERSION-1.noarch.rpm, byte for byte the same from the same sources.
 */

const ROOT = join(import.meta.dirname, '..', '..');
const DIST = join(ROOT, 'dist');
const STAGE = join(DIST, 'stage');
const CODE = 'usr/lib/s3files-sftp';

/** Where each file of the repository lies on the host; the mode is given, since a checkout's umask varies. */
const FILES: ReadonlyArray<readonly [from: string, to: string, mode: number]> = [
  ['packaging/rpm/s3files-sftp', 'usr/bin/s3files-sftp', 0o755],
  ['packaging/rpm/config.toml', 'etc/s3files-sftp/config.toml', 0o644],
  ['packaging/rpm/sysusers.conf', 'usr/lib/sysusers.d/s3files-sftp.conf', 0o644],
  ['packaging/systemd/journald@s3files-sftp.conf', 'etc/systemd/journald@s3files-sftp.conf', 0o644],
  [
    'packaging/systemd/s3files-sftp-agent.service',
    'usr/lib/systemd/system/s3files-sftp-agent.service',
    0o644,
  ],
  ['packaging/systemd/s3files-sftp-sshd.service', 'usr/lib/systemd/system/s3files-sftp-sshd.service', 0o644],
  [
    'packaging/systemd/s3files-sftp-unmount.service',
    'usr/lib/systemd/system/s3files-sftp-unmount.service',
    0o644,
  ],
  ['packaging/systemd/unmount-dead', `${CODE}/unmount-dead`, 0o755],
  ['packaging/systemd/mount-namespace', `${CODE}/mount-namespace`, 0o755],
  ['packaging/systemd/sshd-launcher', `${CODE}/sshd-launcher`, 0o755],
  ['LICENSE', 'usr/share/licenses/s3files-sftp-agent/LICENSE', 0o644],
];

/** Owned by the package, empty. */
const DIRECTORIES = ['etc/s3files-sftp/keys', 'etc/s3files-sftp/host-keys', 'var/lib/s3files-sftp'];

async function stageFiles(): Promise<void> {
  await rm(STAGE, { recursive: true, force: true });
  const notices = await bundleAgent(join(STAGE, CODE));
  await put(`${CODE}/package.json`, '{ "type": "module" }\n');
  for (const name of await readdir(join(STAGE, CODE))) await chmod(join(STAGE, CODE, name), 0o644);
  for (const [from, to, mode] of FILES) {
    await mkdir(dirname(join(STAGE, to)), { recursive: true });
    await copyFile(join(ROOT, from), join(STAGE, to));
    await chmod(join(STAGE, to), mode);
  }
  for (const directory of DIRECTORIES) await mkdir(join(STAGE, directory), { recursive: true });
  await put('usr/share/licenses/s3files-sftp-agent/THIRD-PARTY-NOTICES', notices);
  const page = await readFile(join(ROOT, 'packaging/rpm/s3files-sftp.8'));
  // Level and an absent name and time keep gzip's output the same everywhere.
  await put('usr/share/man/man8/s3files-sftp.8.gz', gzipSync(page, { level: 9 }));
}

async function put(to: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(STAGE, to)), { recursive: true });
  await writeFile(join(STAGE, to), content, { mode: 0o644 });
}

function rpmbuild(version: string): string {
  const out = join(DIST, 'rpm');
  const definitions = {
    product_version: version,
    _stage: STAGE,
    _topdir: join(DIST, 'rpmbuild'),
    _rpmdir: out,
    _rpmfilename: '%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm',
    // Debian's rpmbuild and Amazon Linux's differ in their defaults; the package must not.
    _binary_payload: 'w19.zstdio',
  };
  const defines = Object.entries(definitions).flatMap(([name, value]) => ['--define', `${name} ${value}`]);
  const spec = join(ROOT, 'packaging/rpm/s3files-sftp-agent.spec');
  const { status, stderr } = spawnSync('rpmbuild', ['-bb', '--target', 'noarch', ...defines, spec], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`rpmbuild failed (exit ${status}):\n${stderr}`);
  return join(out, `s3files-sftp-agent-${version}-1.noarch.rpm`);
}

const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
requireRpmbuild();
await stageFiles();
process.stdout.write(`${rpmbuild(version)}\n`);
