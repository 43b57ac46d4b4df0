import type { ChildProcess } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { spawnBound, until } from './command.ts';
import type { Answer } from './outside/protocol.ts';

const MAIN = join(import.meta.dirname, 'outside/main.ts');

/** The process that plays the world outside of the host, and the network namespace that it shares with the host. */
export interface Outside {
  readonly child: ChildProcess;
  /** The path of the network namespace: loopback only, no way out. */
  readonly netns: string;
  /** Resolves when it listens. */
  readonly ready: Promise<void>;
  /** Asks it for something; see outside/main.ts for what it can do. */
  call<T = void>(name: string, ...args: readonly unknown[]): Promise<T>;
}

/** Makes the bed's network and starts what lives in it beside the host. @param directory for its sockets */
export async function startOutside(directory: string, logFd: number): Promise<Outside> {
  const child = spawnBound(
    [
      'unshare',
      '--net',
      '--',
      'sh',
      '-c',
      'ip link set lo up && exec "$@"',
      'sh',
      process.execPath,
      MAIN,
      directory,
    ],
    { stdio: ['ignore', logFd, logFd, 'ipc'] },
  );
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let lastId = 0;
  const ready = new Promise<void>((resolve, reject) => {
    waiting.set(0, { resolve: () => resolve(), reject });
  });
  ready.catch(() => {});
  child.on('message', (message) => {
    const { id, value, error } = message as Answer;
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (error !== undefined) waiter?.reject(new Error(error));
    else waiter?.resolve(value);
  });
  child.once('exit', (code, signal) => {
    for (const { reject } of waiting.values())
      reject(new Error(`the outside world ended: ${code ?? signal}`));
    waiting.clear();
  });

  const netns = `/proc/${child.pid}/ns/net`;
  const own = readlinkSync('/proc/self/ns/net');
  await until('a network namespace', () => readlinkSync(netns) !== own, { everyMs: 2 });
  return {
    child,
    netns,
    ready,
    call: async <T>(name: string, ...args: readonly unknown[]) =>
      await new Promise<T>((resolve, reject) => {
        lastId += 1;
        waiting.set(lastId, { resolve: (value) => resolve(value as T), reject });
        child.send({ id: lastId, call: name, args }, (error) => error && reject(error));
      }),
  };
}
