import type { ChildProcess } from 'node:child_process';
import { spawnBound } from './command.ts';

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
