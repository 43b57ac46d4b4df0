import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { commandOk, spawnBound } from './command.ts';

const REQUIREMENTS = join(import.meta.dirname, 'moto-requirements.txt');

/** Installs moto, which plays AWS, with its server's and S3's needs only. @returns its Python */
export async function motoPython(): Promise<string> {
  const requirements = await readFile(REQUIREMENTS, 'utf8');
  const version = await commandOk(['python3', '--version']);
  const directory = await cached({
    name: 'moto',
    ingredients: [requirements, version, process.arch],
    announcement: 'installing moto, which plays AWS, once; it typically takes a quarter of a minute',
    build: async (unfinished) => {
      await commandOk(['python3', '-m', 'venv', unfinished], { timeoutMs: 120_000 });
      // python -m pip: the scripts beside it name the directory they were made in, and it gets renamed.
      const python = join(unfinished, 'bin/python');
      await commandOk([python, '-m', 'pip', 'install', '--quiet', '--requirement', REQUIREMENTS], {
        timeoutMs: 10 * 60_000,
      });
    },
  });
  return join(directory, 'bin/python');
}

/**
 * Starts moto on 127.0.0.1 in another network namespace.
 * @param netns the path of the namespace
 */
export function startMoto(python: string, netns: string, port: number, logFd: number): ChildProcess {
  const server =
    "import sys; from moto.server import main; sys.exit(main(['-H', '127.0.0.1', '-p', sys.argv[1]]))";
  return spawnBound(['nsenter', `--net=${netns}`, '--', python, '-c', server, String(port)], {
    stdio: ['ignore', logFd, logFd],
    // Objects of hundreds of MB are put; moto's default keeps them in a file past 16 MiB, in TMPDIR.
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' },
  });
}
