import type { Config } from '../config.ts';
import type { OperationError } from '../operation-error.ts';
import type { Edges } from '../os/edges.ts';
import type { Argv } from '../os/exec.ts';
import { createInTurn } from '../os/in-turn.ts';
import { serialized } from '../os/serialized.ts';
import { createActualReader } from './actual.ts';
import { createKeyCheck } from './key-check.ts';
import { readLedger, writeLedger } from './ledger.ts';
import { liveKeys, type Problem } from './partner.ts';
import { ACCOUNT_PATHS, type AccountPaths } from './paths.ts';
import type { Plan } from './plan.ts';
import { createSecretsReader } from './read-secrets.ts';
import { createReconciler, type Reconciler } from './reconcile.ts';
import { createSecretLibrary } from './secret-library.ts';
import type { SecretsSource } from './secrets-source.ts';

export interface AccountHooks {
  /** false: mount-facing steps (claims, chroots) wait; nothing else does */
  mountServing(): boolean;
  /**
   * ends live sessions: those opened with one of a user's fingerprints, or all where that is null; resolves when they
   * are gone, with their number by user, or why one goes on
   */
  endSessions(
    endings: ReadonlyArray<{ readonly user: string; readonly fingerprints: readonly string[] | null }>,
  ): Promise<ReadonlyMap<string, number | Error>>;
  /** after the set of chroots changed: all users whose chroot exists */
  chrootsChanged(users: readonly string[]): Promise<void>;
}

export interface AccountEdges extends Pick<Edges, 'exec' | 'log' | 'now' | 'monotonicMs'> {
  readonly secrets: SecretsSource;
  /** How to start this program again: Node.js and its entry file. */
  readonly selfArgv: Argv;
  /** By default the host's own; tests put them below a temporary directory. */
  readonly paths?: AccountPaths;
  /** false, in tests only: the mount path may be a plain directory. */
  readonly mountPoint?: boolean;
}

/** Plain JSON, shown by `status`. */
export interface AccountReport {
  /** ms since 1970 of the last whole read and apply. */
  readonly lastSuccessAt: number | null;
  /** Accounts that can log in. */
  readonly active: number;
  /** Accounts that wait for the next pass, which should come at once: this one had no more time for them. */
  readonly preparing: number;
  /** Accounts that wait for the mount to serve. */
  readonly waiting: number;
  /** Problems and held removals: what waits for somebody. */
  readonly held: number;
  readonly problems: readonly Problem[];
  readonly heldPlan: { readonly hash: string; readonly removals: readonly string[] } | null;
}

export interface AccountSync {
  /** One pass. Throws only if not all could be read or applied, such as with AWS out of reach; `report()` is valid then too. */
  poll(signal: AbortSignal): Promise<AccountReport>;
  report(): AccountReport;
  /** Whether the next pass should come at once: the last one got somewhere, and had no time for the rest. */
  moreDue(): boolean;
  /** Whether nothing at all could be read at the last pass; where some could, the next one should not wait longer. */
  isBlind(): boolean;
  /** Whether a key or user has expired since the last pass: its sessions end with the next one, AWS or not. */
  expiryDue(): boolean;
  /** What a pass would do next, without doing it; while a pass is under way, after that. */
  plan(signal: AbortSignal): Promise<Plan>;
  /** The next pass applies exactly that held plan; if it has changed by then, it is held again. */
  approve(hash: string): void;
}

const EMPTY: AccountReport = {
  lastSuccessAt: null,
  active: 0,
  preparing: 0,
  waiting: 0,
  held: 0,
  problems: [],
  heldPlan: null,
};

/** Brings users from the secrets to the host, pass by pass, and keeps their last good state for when AWS is away. */
export function createAccountSync(
  config: () => Config,
  hooks: AccountHooks,
  edges: AccountEdges,
): AccountSync {
  const { log, now } = edges;
  const paths = edges.paths ?? ACCOUNT_PATHS;
  const library = createSecretLibrary(createKeyCheck(edges));
  const readActual = createActualReader(paths);
  const readSecrets = createSecretsReader(() => config().users.prefix, library, edges);
  let opening: Promise<Reconciler> | undefined;
  let report = EMPTY;
  let approved: string | null = null;
  let announced = new Set<string>();
  let nextExpiry: number | null = null;
  let gotOn = false;
  let blind = false;
  /** A pass and a look at the next one share the library of secrets. */
  const inTurn = createInTurn();

  const open = async (): Promise<Reconciler> => {
    const { ledger, damaged } = await readLedger(paths.ledger);
    if (damaged !== null) log.error({ damaged }, 'the ledger of accounts was damaged and is put aside');
    // A clock that was ahead would make the last success look young for ever.
    if (ledger.lastSuccessAt !== null) ledger.lastSuccessAt = Math.min(ledger.lastSuccessAt, now());
    report = { ...report, lastSuccessAt: ledger.lastSuccessAt };
    const save = serialized(() => writeLedger(paths.ledger, ledger));
    return createReconciler({ config, hooks, library, readActual, ledger, save, paths }, edges);
  };

  /** One ledger for all callers, however many ask at once; a failure is forgotten, so that the next call tries anew. */
  const opened = (): Promise<Reconciler> => {
    opening ??= open().catch((cause: unknown) => {
      opening = undefined;
      throw cause;
    });
    return opening;
  };

  const noteProblems = (problems: readonly Problem[]) => {
    const current = new Set(problems.map((problem) => JSON.stringify(problem)));
    for (const problem of problems) {
      const { user, secret } = problem;
      if (announced.has(JSON.stringify(problem))) continue;
      const what = user === null ? `secret ${secret}` : `user ${user}`;
      log.warn(problem, secret === null && user === null ? problem.problem : `${what}: ${problem.problem}`);
    }
    announced = current;
  };

  const pass = async (signal: AbortSignal): Promise<AccountReport> => {
    const reconciler = await opened();
    const { failure, ...read } = await readSecrets(reconciler.ledger, signal);
    blind = read.isBlind;
    const hash = approved;
    approved = null;
    gotOn = false;
    // If this pass fails, what has expired by now waits for the next one at its usual time.
    nextExpiry = earliestExpiry(reconciler, now());
    const outcome = await reconciler.pass(hash, read.reading, signal);
    nextExpiry = earliestExpiry(reconciler, outcome.plannedAt);
    gotOn = outcome.gotOn;
    const problems = [...read.problems, ...outcome.problems];
    const { plan } = outcome;
    const before = report.heldPlan?.hash;
    if (failure === null && outcome.failure === null) await reconciler.succeeded(now());
    report = {
      lastSuccessAt: reconciler.ledger.lastSuccessAt,
      active: plan.active,
      preparing: outcome.preparing,
      waiting: plan.waiting.length,
      held: problems.length + (plan.held?.removals.length ?? 0),
      problems,
      heldPlan: plan.held,
    };
    noteProblems(problems);
    if (plan.held && plan.held.hash !== before) {
      const { hash, removals } = plan.held;
      const hint = `s3files-sftp sync --approve ${hash}`;
      log.error({ hash, removals: removals.slice(0, 100), hint }, `${removals.length} removals are held`);
    }
    const error = failure ?? outcome.failure;
    if (error !== null) throw error;
    return report;
  };

  return {
    report: () => report,
    approve: (hash) => {
      approved = hash;
    },
    moreDue: () => gotOn && report.preparing > 0,
    isBlind: () => blind,
    expiryDue: () => nextExpiry !== null && now() >= nextExpiry,
    plan: (signal) =>
      inTurn(async () => {
        const reconciler = await opened();
        const { failure, reading, problems } = await readSecrets(reconciler.ledger, signal);
        const plan = await reconciler.preview(reading);
        const failed = failure === null ? [] : [problemOf(failure)];
        return { ...plan, problems: [...failed, ...problems, ...plan.problems] };
      }),
    poll: (signal) => inTurn(() => pass(signal)),
  };
}

function problemOf({ message, hint }: OperationError): Problem {
  return { user: null, secret: null, problem: message, ...(hint !== undefined && { hint }) };
}

/** When the next key or user ends that can log in now; ms since 1970, null: none does. */
function earliestExpiry({ ledger }: Reconciler, now: number): number | null {
  let earliest: number | null = null;
  for (const { removed, partner } of ledger.users.values()) {
    const ends = removed ? [] : liveKeys(partner, now).flatMap(({ expires }) => expires ?? []);
    if (!removed && partner.expires !== null && partner.expires > now) ends.push(partner.expires);
    for (const end of ends) if (earliest === null || end < earliest) earliest = end;
  }
  return earliest;
}
