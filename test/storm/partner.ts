import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bed } from '../bed/boot.ts';
import type { Login } from '../bed/clients.ts';
import { sleep, until } from '../bed/command.ts';
import type { Gate } from './gate.ts';
import { doubt, settle } from './settle.ts';
import type { Client, ClientKind, Round, ServerSide, Step } from './step.ts';
import type { Truth } from './truth.ts';

/** A step that failed so often is left: partners give up as well. */
const MOST_ATTEMPTS = 3;
/** A session that could not even begin says nothing about its steps: partners are refused while the mount is away. */
const MOST_LOGINS = 60;
const RETRY_MS = 700;

/**
 * Makes all visits of one partner, one round after another. A session that breaks leaves the step under way in doubt;
 * the partner logs in again and goes on with that very step, as a scheduled job would.
 * @param gate each session goes through it
 * @throws Error when the partner can't get in for minutes
 */
export async function makeVisits(
  login: Login,
  rounds: readonly Round[],
  clients: Readonly<Record<ClientKind, Client>>,
  truth: Truth,
  server: ServerSide,
  gate: Gate,
): Promise<void> {
  const attempt = async (client: ClientKind, steps: readonly Step[]) =>
    await gate.pass(async () => await visit(login, steps, clients[client], truth, server));
  for (const round of rounds) {
    const begun = await gate.pass(
      async () =>
        await Promise.all(
          round.map(async ({ client, steps }) => await visit(login, steps, clients[client], truth, server)),
        ),
    );
    // What is left of each is made up for when all sessions are gone: until then they can't be told apart.
    for (const [index, { client, steps }] of round.entries())
      await goOn(login, steps, begun[index], async (left) => await attempt(client, left), server);
  }
}

/** Comes again and again for what is left of a visit. @param ending of its first session */
async function goOn(
  { user }: Login,
  steps: readonly Step[],
  ending: Ending | undefined,
  attempt: (left: readonly Step[]) => Promise<Ending>,
  server: ServerSide,
): Promise<void> {
  let left = steps;
  let attempts = 0;
  let logins = 0;
  for (let last = ending; last !== undefined && last.reason !== null; last = await attempt(left)) {
    if (last.broken === undefined && last.done === 0) {
      logins += 1;
      if (logins > MOST_LOGINS) throw new Error(`${user} can't get in: ${last.reason}`);
    } else logins = 0;
    attempts = last.done > 0 ? 1 : attempts + (last.broken === undefined ? 0 : 1);
    const gone = last.broken !== undefined && (attempts >= MOST_ATTEMPTS || isOnce(last.broken));
    left = left.slice(last.done + (gone ? 1 : 0));
    if (gone) attempts = 0;
    await sleep(RETRY_MS);
    // What the old session still does must not cross what the new one does.
    await server.sessionsGone(user);
    if (left.length === 0) return;
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
