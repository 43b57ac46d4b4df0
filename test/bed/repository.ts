import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { commandOk } from './command.ts';

const STAND_IN = join(import.meta.dirname, 'stand-in');

/** Node.js 24 as the development dependency brings it. */
export const NODE_BINARY = join(import.meta.dirname, '../../node_modules/node/bin/node');

/**
 * The directory of a dnf repository with stub packages under Amazon Linux 2023's names, among them nodejs24 (the
 * project's own Node.js as /usr/bin/node-24) and amazon-efs-utils (the stand-in for the S3 Files client).
 * @param backend what the stand-in mounts: a directory with backend.py, amazon-efs-mount-watchdog and, unless it is
 * FUSE, efs-proxy
 */
export async function stubRepository(backend: string = STAND_IN): Promise<string> {
  const texts: string[] = [];
  for (const directory of new Set([STAND_IN, backend])) {
    const names = (await readdir(directory)).sort();
    for (const name of names) texts.push(name, await readFile(join(directory, name), 'utf8'));
  }
  const nodeVersion = (await commandOk([NODE_BINARY, '--version'])).trim().replace(/^v/, '');
  return await cached({
    name: 'stubs',
    ingredients: [process.arch, nodeVersion, await readFile(import.meta.filename, 'utf8'), ...texts],
    announcement: 'building the stub packages; it typically takes two seconds',
    build: async (directory) => {
      await rpmbuild(directory, {
        stand_in: STAND_IN,
        backend,
        node_binary: NODE_BINARY,
        node_version: nodeVersion,
      });
      await indexRepository(directory);
    },
  });
}

async function rpmbuild(directory: string, definitions: Readonly<Record<string, string>>): Promise<void> {
  const all = {
    ...definitions,
    _topdir: join(directory, '.rpmbuild'),
    _rpmdir: directory,
    _rpmfilename: '%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm',
    // Not compressed: Node.js is 120 MB, and the packages never travel.
    _binary_payload: 'w.ufdio',
  };
  const defines = Object.entries(all).flatMap(([name, value]) => ['--define', `${name} ${value}`]);
  await commandOk(['rpmbuild', '-bb', '--quiet', ...defines, join(STAND_IN, 'packages.spec')]);
  await commandOk(['rm', '-rf', join(directory, '.rpmbuild')]);
}

/** Makes or renews a repository's index, after its packages changed. */
export async function indexRepository(directory: string): Promise<void> {
  await commandOk(['createrepo_c', '--quiet', directory]);
}
