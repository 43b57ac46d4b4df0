import type { ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Login } from '../bed/clients.ts';
import { ended, killGroup, until } from '../bed/command.ts';
import { contentOf } from './random.ts';
import type { ServerSide, Step } from './step.ts';

/** A client's process, and what it complained of so far. */
export interface Started {
  readonly child: ChildProcess;
  failure(): string;
}

/**
 * Starts an upload by a command-line client, slowed down, and ends it in the middle.
 * @param start uploads the local file to the step's path
 * @returns how much arrived, by the server's disk
 */
export async function breakOff(
  start: (local: string) => Started,
  login: Login,
  step: Step,
  directory: string,
  server: ServerSide,
): Promise<number | undefined> {
  if (!('content' in step)) return undefined;
  const local = join(directory, 'broken');
  await writeFile(local, contentOf(step.content));
  const { child, failure } = start(local);
  const arriving = async () => {
    if (child.exitCode !== null) throw new Error(`ended before it was interrupted: ${failure()}`);
    return ((await server.sizeOf(login.user, step.path)) ?? 0) > 0;
  };
  try {
    await until('the upload to be under way', arriving, { timeoutMs: 15_000, everyMs: 20 });
    if (step.kind === 'vanish') await server.killSessions(login.user);
  } finally {
    killGroup(child);
    await ended(child);
  }
  await server.sessionsGone(login.user);
  const size = (await server.sizeOf(login.user, step.path)) ?? 0;
  if (size >= step.content.size) throw new Error('it was whole before it could be interrupted');
  return size;
}
