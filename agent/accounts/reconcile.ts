import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { ReadActual } from './actual.ts';
import { applySteps, type StepFailure } from './apply.ts';
import { resolveDesired } from './desired.ts';
import { recentRemovals } from './guard.ts';
import { keepKeyDirectory } from './key-directory.ts';
import type { Ledger } from './ledger.ts';
import { concludePass, type PassOutcome } from './pass-outcome.ts';
import type { AccountPaths } from './paths.ts';
import { type Plan, planAccounts, type Reading } from './plan.ts';
import type { SecretLibrary } from './secret-library.ts';
import { type Step, stepKey, URGENT } from './step.ts';
import type { AccountEdges, AccountHooks } from './sync.ts';

export interface ReconcilerParts {
  readonly config: () => Config;
  readonly hooks: AccountHooks;
  readonly library: Pick<SecretLibrary, 'documents' | 'gone'>;
  readonly readActual: ReadActual;
  readonly ledger: Ledger;
  /** Writes the ledger to disk. */
  readonly save: () => Promise<void>;
  readonly paths: AccountPaths;
}

export interface Reconciler {
  readonly ledger: Ledger;
  /** Plans and applies in rounds, until nothing is left that this pass can do. Never throws for a step that failed. */
  pass(approved: string | null, reading: Reading, signal: AbortSignal): Promise<PassOutcome>;
  /** The plan as of now. */
  preview(reading: Reading): Promise<Plan>;
  /** Notes that secrets were read and applied whole. */
  succeeded(at: number): Promise<void>;
}

/** A new user takes five; more mean that two steps undo each other. */
const MOST_ROUNDS = 12;
/** Directories on the mount are looked after this often, besides at start, by one child with a deadline. */
const AUDIT_MS = 3_600_000;
/** How much older the time of the last success on disk may be than the one in memory: no write for an idle pass. */
const SUCCESS_NOTED_MS = 600_000;
const NOBODY: ReadonlySet<string> = new Set();

/** Makes the host what the secrets and the ledger say, re-reading it between rounds. */
export function createReconciler(parts: ReconcilerParts, edges: AccountEdges): Reconciler {
  const { config, hooks, ledger, library } = parts;
  let nextAuditMs = Number.NEGATIVE_INFINITY;
  /** Users whose turn in the audit under way is still to come. */
  const auditing = new Set<string>();
  let chroots = '';
  let isUnsaved = false;
  /** Users that the ledger on disk has: an account that only memory knew would be nobody's after a crash. */
  let saved = new Set(ledger.users.keys());
  /** Users whose repair was tried while others still wait for their turn. */
  const repaired = new Set<string>();
  let unlisted = 0;
  let plannedAt = 0;
  let notedAt = ledger.lastSuccessAt ?? 0;

  const save = async () => {
    isUnsaved = true;
    const users = new Set(ledger.users.keys());
    await parts.save();
    saved = users;
    isUnsaved = false;
  };

  const planOf = async (
    audit: ReadonlySet<string>,
    approved: string | null,
    reading: Reading,
  ): Promise<Plan> => {
    const { users } = config();
    const limits = {
      uidMin: users.uid_min,
      uidMax: users.uid_max,
      directories: users.directories,
      maxRemovals: users.max_removals,
      maxRemovalsPercent: users.max_removals_percent,
    };
    const { documents, gone } = library;
    const now = edges.now();
    const desired = resolveDesired({ documents, gone, ledger: ledger.users, prefix: users.prefix, now });
    const actual = await parts.readActual();
    const mountServing = hooks.mountServing();
    plannedAt = edges.now();
    return planAccounts({
      desired,
      reading,
      ledger: ledger.users,
      actual,
      now: plannedAt,
      mountServing,
      limits,
      audit,
      guard: { approved, held: ledger.held, recent: ledger.recent },
    });
  };

  const apply = async (steps: readonly Step[], postponed: Set<string>): Promise<StepFailure[]> => {
    const { mount, users } = config();
    const failures = await applySteps(steps, {
      ...edges,
      paths: parts.paths,
      ledger,
      saveLedger: save,
      endSessions: hooks.endSessions,
      postpone: (step) => postponed.add(stepKey(step)),
      mount: {
        path: mount.path,
        uidMin: users.uid_min,
        uidMax: users.uid_max,
        mountPoint: edges.mountPoint ?? true,
      },
    });
    for (const step of steps)
      if (step.do === 'repair-account' && !postponed.has(stepKey(step))) repaired.add(step.user);
    for (const step of steps)
      if (step.do === 'prepare-mount' && !postponed.has(stepKey(step))) auditing.delete(step.user);
    return failures;
  };

  /**
   * Tells the partner sshd's side which chroots exist, before a key lets anyone into a new one. One in which something
   * is amiss stays named while its user can log in: without its log socket the uploads would be neither told nor counted.
   */
  const announceChroots = async (): Promise<StepFailure[]> => {
    const hasKeys = (name: string) => existsSync(join(parts.paths.keys, name));
    const users = [...ledger.users.values()].filter(
      ({ name, chroot, removed }) => !removed && (chroot || hasKeys(name)),
    );
    const names = users.map(({ name }) => name).sort();
    if (names.join('\n') === chroots) return [];
    try {
      await hooks.chrootsChanged(names);
      chroots = names.join('\n');
      return [];
    } catch (cause) {
      return [{ user: null, cause }];
    }
  };

  /** Without its directory no key opens anything; with another owner or mode sshd refuses them all. */
  const keepDirectory = async (): Promise<StepFailure[]> => {
    try {
      for (const what of await keepKeyDirectory(parts.paths.keys))
        edges.log.warn({ what }, `key directory repaired: ${what}`);
      return [];
    } catch (cause) {
      return [{ user: null, cause }];
    }
  };

  /** What is held stays held through a restart, and through new accounts that make it look small. */
  const noteHeld = async ({ holding, unlisted: found }: Plan): Promise<StepFailure[]> => {
    if (found > unlisted) {
      const hint = 'they are taken over as the secrets name them, and removed where none does';
      edges.log.error({ accounts: found, hint }, `${found} accounts of the agent’s are not in its ledger`);
    }
    unlisted = found;
    if (holding.join() === ledger.held.join()) return [];
    ledger.held = holding;
    return await save().then(
      () => [],
      (cause: unknown) => [{ user: null, cause }],
    );
  };

  /** What goes ahead counts against later removals; it is written with the step that makes it so. */
  const noteRemovals = ({ removing, approved }: Plan) => {
    if (approved) ledger.recent = [];
    if (approved || removing.length === 0) return;
    const at = edges.now();
    const earlier = recentRemovals(ledger.recent, at).filter(({ user }) => !removing.includes(user));
    ledger.recent = [...earlier, ...removing.map((user) => ({ user, at }))];
  };

  /** Leaves out what would open an account that the ledger on disk does not have; a key that is revoked still goes. */
  const safe = (steps: readonly Step[]): Step[] =>
    steps.filter(
      (step) =>
        saved.has(step.user) || !(step.do === 'create-account' || (step.do === 'write-keys' && step.opens)),
    );

  /** Repairs that had no turn yet come first, so that some that always fail keep nobody else waiting. */
  const inTurn = (steps: readonly Step[]): Step[] => {
    const repairs = steps.filter((step) => step.do === 'repair-account');
    if (repairs.every(({ user }) => repaired.has(user))) repaired.clear();
    const isLater = (step: Step) => step.do === 'repair-account' && repaired.has(step.user);
    return [...steps.filter((step) => !isLater(step)), ...steps.filter(isLater)];
  };

  return {
    ledger,
    preview: (reading) => planOf(NOBODY, null, reading),
    async succeeded(at) {
      ledger.lastSuccessAt = at;
      if (at - notedAt < SUCCESS_NOTED_MS && at >= notedAt) return;
      await save();
      notedAt = at;
    },
    async pass(approved, reading, signal) {
      const attempted = new Set<string>();
      const postponed = new Set<string>();
      const failures: StepFailure[] = [];
      // A clock that was ahead would make the last success look young for ever.
      if ((ledger.lastSuccessAt ?? 0) > edges.now()) {
        ledger.lastSuccessAt = edges.now();
        isUnsaved = true;
      }
      if (isUnsaved) await save().catch((cause: unknown) => failures.push({ user: null, cause }));
      failures.push(...(await keepDirectory()));
      failures.push(...(await announceChroots()));
      if (edges.monotonicMs() >= nextAuditMs && hooks.mountServing()) {
        nextAuditMs = edges.monotonicMs() + AUDIT_MS;
        for (const name of ledger.users.keys()) auditing.add(name);
      }
      let plan = await planOf(auditing, approved, reading);
      failures.push(...(await noteHeld(plan)));
      for (let round = 0; round < MOST_ROUNDS && !signal.aborted; round += 1) {
        // Each step is tried once in a pass: one that did not take is still in the plan at the end, and reported.
        const fresh = safe(plan.steps).filter((step) => !attempted.has(stepKey(step)));
        if (fresh.length === 0) break;
        const urgent = fresh.filter((step) => URGENT.has(step.do));
        const steps = inTurn(urgent.length > 0 ? urgent : fresh);
        for (const step of steps) attempted.add(stepKey(step));
        noteRemovals(plan);
        failures.push(...(await apply(steps, postponed)));
        failures.push(...(await announceChroots()));
        plan = await planOf(auditing, approved, reading);
      }
      return { ...concludePass(plan, failures, { attempted, postponed }), plannedAt };
    },
  };
}
