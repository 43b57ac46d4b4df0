import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bed } from '../bed/boot.ts';
import type { Login } from '../bed/clients.ts';
import { sleep, until } from '../bed/command.ts';
import type { Client, ClientKind, ServerSide, Step, Visit } from './step.ts';
import { doubt, settle, type Truth } from './truth.ts';

/** A step that failed so often is left: partners give up as well. */
const MOST_ATTEMPTS = 3;
/** A session that could not even begin says nothing about its steps: partners are refused while the mount is away. */
const MOST_LOGINS = 60;
const RETRY_MS = 700;

/**
 * Makes all visits of one partner, one after another. A session that breaks leaves the step under way in doubt; the
 * partner logs in again and goes on with that very step, as a scheduled job would.
 * @throws Error when the partner can't get in for minutes
 */
export async function makeVisits(
  login: Login,
  visits: readonly Visit[],
  clients: Readonly<Record<ClientKind, Client>>,
  truth: Truth,
  server: ServerSide,
): Promise<void> {
  for (const { client, steps } of visits) {
    let left: readonly Step[] = steps;
    let attempts = 0;
    let logins = 0;
    while (left.length > 0) {
      const ending = await visit(login, left, clients[client], truth, server);
      if (ending.reason === null) break;
      if (ending.broken === undefined && ending.done === 0) {
        logins += 1;
        if (logins > MOST_LOGINS) throw new Error(`${login.user} can't get in: ${ending.reason}`);
      } else logins = 0;
      attempts = ending.done > 0 ? 1 : attempts + (ending.broken === undefined ? 0 : 1);
      const gone = ending.broken !== undefined && (attempts >= MOST_ATTEMPTS || isOnce(ending.broken));
      left = left.slice(ending.done + (gone ? 1 : 0));
      if (gone) attempts = 0;
      await sleep(RETRY_MS);
      // What the old session still does must not cross what the new one does.
      await server.sessionsGone(login.user);
    }
  }
}

interface Ending {
  readonly done: number;
  readonly broken: Step | undefined;
  readonly reason: string | null;
}

async function visit(
  login: Login,
  steps: readonly Step[],
  client: Client,
  truth: Truth,
  server: ServerSide,
): Promise<Ending> {
  let done = 0;
  let under: Step | undefined;
  let reason: string | null = null;
  try {
    await client(
      login,
      steps,
      {
        began: (index) => {
          under = steps[index];
        },
        done: (index, sent) => {
          const step = steps[index];
          if (step !== undefined) settle(truth, login.user, step, sent);
          done = index + 1;
          under = undefined;
        },
      },
      server,
    );
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  const broken = under;
  if (broken !== undefined) doubt(truth, login.user, broken, reason ?? 'it ended early');
  if (reason === null && done < steps.length) reason = 'it ended early';
  return { done, broken, reason };
}

/** What would do something else when done again. */
function isOnce({ kind }: Step): boolean {
  return kind === 'interrupt' || kind === 'vanish' || kind === 'remove' || kind === 'rename';
}

export function serverSideOf(bed: Bed): ServerSide {
  return {
    killSessions: async (user) => {
      await bed.exec(['pkill', '-KILL', '-u', user]);
    },
    sessionsGone: async (user) => {
      const gone = async () => (await bed.exec(['pgrep', '-u', user])).code !== 0;
      await until(`the sessions of ${user} to be gone`, gone, { timeoutMs: 120_000, everyMs: 150 });
    },
    sizeOf: async (user, path) =>
      await stat(join(bed.s3files.directory, user + path)).then(
        ({ size }) => size,
        () => undefined,
      ),
  };
}

/** All files of a partner behind the mount, as paths in the chroot. */
export async function filesOf(bed: Bed, user: string): Promise<string[]> {
  const root = join(bed.s3files.directory, user);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(root.length));
}
