import { join } from 'node:path';
import { createAccounts, repairAccount, setPasswords } from '../os/accounts.ts';
import type { Edges } from '../os/edges.ts';
import type { Argv } from '../os/exec.ts';
import { removeFileDurable, writeFileDurable } from '../os/files.ts';
import { removeFilesDurable, writeFilesDurable } from '../os/files-batch.ts';
import { prepareMount } from './apply-mount.ts';
import type { Ledger } from './ledger.ts';
import { NOTHING_ENDING } from './ledger-user.ts';
import type { MountRequest } from './mount-request.ts';
import type { AccountPaths } from './paths.ts';
import { KEY_FILE_MODE } from './plan-account.ts';
import { ORDER, type Step, type StepKind, type StepOf } from './step.ts';
import type { AccountHooks } from './sync.ts';

export interface ApplyContext extends Pick<Edges, 'exec' | 'log' | 'now'> {
  readonly selfArgv: Argv;
  readonly paths: AccountPaths;
  readonly ledger: Ledger;
  /** Writes the ledger to disk. */
  readonly saveLedger: () => Promise<void>;
  readonly endSessions: AccountHooks['endSessions'];
  /** Told of each step that was left for the next pass, for want of time. */
  readonly postpone: (step: Step) => void;
  readonly mount: { readonly path: string } & Pick<MountRequest, 'uidMin' | 'uidMax' | 'mountPoint'>;
}

export interface StepFailure {
  /** null: it concerns no single user, such as a child on the mount that hangs. */
  readonly user: string | null;
  readonly cause: unknown;
}

/** Does all steps of one kind. A kind of step without an executor does not compile. */
type Executors = {
  readonly [Kind in StepKind]: (
    steps: readonly StepOf<Kind>[],
    context: ApplyContext,
  ) => Promise<StepFailure[]>;
};

/**
 * Applies the steps of one round in their fixed order. Whatever fails is returned, never thrown: one user's failure
 * stops nobody else, and one kind's failure stops no other kind.
 */
export async function applySteps(steps: readonly Step[], context: ApplyContext): Promise<StepFailure[]> {
  const failures: StepFailure[] = [];
  for (const kind of ORDER) failures.push(...(await applyKind(kind, steps, context)));
  return failures;
}

async function applyKind<Kind extends StepKind>(
  kind: Kind,
  steps: readonly Step[],
  context: ApplyContext,
): Promise<StepFailure[]> {
  const ofKind = steps.filter((step): step is Step & StepOf<Kind> => step.do === kind);
  if (ofKind.length === 0) return [];
  try {
    return await executors[kind](ofKind, context);
  } catch (cause) {
    // No single step is to blame: the ledger can’t be written, or the mount hangs.
    return [{ user: null, cause }];
  }
}

/** From this many files on, two flushes of the file system are cheaper than two for each file. */
const BATCH_FROM = 8;

/** usermod takes 25 ms on a host of 10,000 users, and no key that is revoked should wait for many of them. */
const REPAIRS_A_PASS = 200;

const executors: Executors = {
  record: async (steps, { ledger, saveLedger, log }) => {
    for (const { user, entry, why } of steps) {
      ledger.users.set(user, entry);
      log.info({ user, secret: entry.secret, keys: entry.live.length }, `user ${user}: ${why}`);
    }
    // A full disk must not keep a key alive: the change stands in memory, and is written when that works again.
    await saveLedger();
    return [];
  },

  'remove-keys': async (steps, { paths, log }) => {
    const failed = await removeFilesDurable(
      paths.keys,
      steps.map(({ user }) => user),
    );
    for (const { user, why } of steps)
      if (!failed.has(user)) log.info({ user, why }, `user ${user}: key file removed`);
    return [...failed].map(([user, cause]) => ({ user, cause }));
  },

  'write-keys': async (steps, context) => {
    const { paths, log } = context;
    const failed = await writeKeyFiles(steps, context);
    const unwritten = new Set(failed.map(({ user }) => user));
    for (const { user, gid: uid, why } of steps)
      if (!unwritten.has(user)) log.info({ user, uid, why }, `user ${user}: key file written, ${why}`);
    const unremoved: StepFailure[] = [];
    // A revoked key that can't be taken out of its file takes the file with it; the next pass writes it anew.
    for (const { user } of failed) {
      const ending = user === null ? undefined : context.ledger.users.get(user)?.ending;
      if (user === null || ending === undefined || ending.length === 0) continue;
      try {
        await removeFileDurable(join(paths.keys, user));
      } catch (cause) {
        unremoved.push({ user, cause });
      }
    }
    return [...unremoved, ...failed];
  },

  'end-sessions': async (steps, { ledger, saveLedger, endSessions, log }) => {
    const failures: StepFailure[] = [];
    const outcomes = await endSessions(steps);
    for (const { user, fingerprints } of steps) {
      const outcome = outcomes.get(user) ?? 0;
      if (typeof outcome !== 'number') {
        failures.push({ user, cause: outcome });
        continue;
      }
      const entry = ledger.users.get(user);
      if (entry) ledger.users.set(user, { ...entry, ending: NOTHING_ENDING });
      log.info({ user, sessions: outcome, fingerprints }, `user ${user}: ${outcome} live sessions ended`);
    }
    await saveLedger();
    return failures;
  },

  'set-password': async (steps, context) => {
    const failures = await setPasswords(steps, { exec: context.exec, root: context.paths.root });
    // That an account opens is told with its key file, in one line for each new user.
    for (const { user, locked } of steps)
      context.log[locked ? 'info' : 'debug']({ user }, `user ${user}: ${locked ? 'locked' : 'opened'}`);
    return failures;
  },

  'repair-account': (steps, { exec, paths, log, postpone }) => {
    for (const step of steps.slice(REPAIRS_A_PASS)) postpone(step);
    return each(steps.slice(0, REPAIRS_A_PASS), async ({ user, uid, home, why }) => {
      await repairAccount({ user, uid }, home, { exec, root: paths.root });
      log.warn({ user, why }, `user ${user}: account repaired, ${why}`);
    });
  },

  'create-account': async (steps, { exec, paths, log }) => {
    const failures = await createAccounts(steps, { exec, root: paths.root });
    for (const { user, uid } of steps) log.debug({ user, uid }, `user ${user}: account with uid ${uid}`);
    return failures;
  },

  'prepare-mount': prepareMount,
};

async function writeKeyFiles(
  steps: readonly StepOf<'write-keys'>[],
  { paths, exec }: ApplyContext,
): Promise<StepFailure[]> {
  const owner = (gid: number) => ({ mode: KEY_FILE_MODE, uid: 0, gid });
  if (steps.length < BATCH_FROM) {
    return await each(steps, ({ user, content, gid }) =>
      writeFileDurable(join(paths.keys, user), content, owner(gid)),
    );
  }
  const files = steps.map(({ user, content, gid }) => ({
    path: join(paths.keys, user),
    content,
    ...owner(gid),
  }));
  const failed = await writeFilesDurable(paths.keys, files, { exec });
  return steps.flatMap(({ user }) => {
    const cause = failed.get(join(paths.keys, user));
    return cause === undefined ? [] : [{ user, cause }];
  });
}

async function each<S extends { readonly user: string }>(
  steps: readonly S[],
  run: (step: S) => Promise<void>,
): Promise<StepFailure[]> {
  const failures: StepFailure[] = [];
  for (const step of steps) {
    try {
      await run(step);
    } catch (cause) {
      failures.push({ user: step.user, cause });
    }
  }
  return failures;
}
