import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Login } from '../bed/clients.ts';
import { type Argv, killGroup, saidAll, spawnBound } from '../bed/command.ts';
import { breakOff, type Started } from './break-off.ts';
import { contentOf } from './random.ts';
import { type Client, mustBeRefused, type Step } from './step.ts';

const TIMEOUT_MS = 120_000;
/** It did not even get in, so nothing can have happened. */
const NO_SESSION = /ssh: connect to host|kex_exchange_identification/;
/** 800 kbit/s: half a megabyte takes five seconds. */
const SLOW = ['-l', '800'];

/**
 * OpenSSH's scp(1), which has spoken SFTP since 9.0: a session for each file, written over in place, and cut to its
 * size in the end. @param netns the bed's network @param sshOptions of ssh(1), which scp takes as well
 */
export function scpClient(netns: string, sshOptions: (login: Login) => readonly string[]): Client {
  const scp = (login: Login, options: readonly string[], from: string, to: string): Started => {
    const argv: Argv = ['nsenter', `--net=${netns}`, '--', 'scp', ...options, ...sshOptions(login), from, to];
    const child = spawnBound(argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-500);
    });
    return { child, failure: () => errors.trim() };
  };
  const remote = ({ user }: Login, path: string) => `${user}@127.0.0.1:${path}`;

  const carryOut = async (login: Login, step: Step, local: string): Promise<number | undefined> => {
    if (!('path' in step)) throw new Error(`scp is not asked to ${step.kind}`);
    if ('content' in step) await writeFile(local, contentOf(step.content));
    const there = remote(login, step.path);
    const sent = step.kind === 'trespass' ? '/etc/hostname' : local;
    const { child, failure } =
      step.kind === 'get' ? scp(login, [], there, local) : scp(login, [], sent, there);
    const deadline = setTimeout(() => killGroup(child), TIMEOUT_MS);
    await saidAll(child);
    clearTimeout(deadline);
    if (mustBeRefused(step)) expectRefusal(step, child.exitCode, failure());
    else if (child.exitCode !== 0)
      throw new Error(`exit ${child.exitCode ?? child.signalCode}: ${failure()}`);
    return 'content' in step ? step.content.size : undefined;
  };

  return async (login, steps, progress, server) => {
    const directory = await mkdtemp(join(tmpdir(), 'outbox-'));
    try {
      for (const [index, step] of steps.entries()) {
        const slowly = (local: string) =>
          scp(login, SLOW, local, remote(login, 'path' in step ? step.path : ''));
        const work =
          step.kind === 'interrupt' || step.kind === 'vanish'
            ? breakOff(slowly, login, step, directory, server)
            : carryOut(login, step, join(directory, String(index)));
        const sent = await work.catch((error: Error) => {
          if (!NO_SESSION.test(error.message)) progress.began(index);
          throw error;
        });
        progress.began(index);
        progress.done(index, sent);
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  };
}

/** A connection that is gone is no refusal. */
function expectRefusal(step: Step, code: number | null, said: string): void {
  if (code === 0) throw new Error(`${step.kind} was not refused`);
  if (!/: (Failure|Permission denied)$/m.test(said)) throw new Error(`exit ${code}: ${said}`);
}
