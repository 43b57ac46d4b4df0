import type { Config } from '../config.ts';
import { messageOf } from '../operation-error.ts';
import type { Edges } from '../os/edges.ts';
import type { Argv } from '../os/exec.ts';
import { createCommitter } from './commit.ts';
import { createDelivery } from './delivery.ts';
import { scheduleOf } from './delivery-plan.ts';
import { createDeliveryRound } from './delivery-round.ts';
import { createFileQuestion } from './file-question.ts';
import { foldGap } from './gap.ts';
import { followJournal, JOURNAL_NAMESPACE, type JournalReader, lossOf, type Reading } from './journal.ts';
import { isOpen, noteKnown } from './known-files.ts';
import { gapLine } from './log-lines.ts';
import type { Outcome } from './outcome.ts';
import { linesNotWritten } from './own-log.ts';
import { partnersOfHost } from './partners.ts';
import { probeLineOf } from './probe-lines.ts';
import { createFold, foldLine, settleSessions } from './sessions.ts';
import type { LoadedUploadState, UploadState } from './state.ts';
import { createTally, type Effects, overdueCount, tallyOutcome } from './tally.ts';
import { createUnknownArrivals, type LogProof, type Moment } from './unknown-arrivals.ts';
import { createVanishing } from './vanishing.ts';
import { type WitnessStatus, type WitnessWatch, watchWitness } from './witness-watch.ts';

export interface UploadHooks {
  /**
   * Must take `state` and the counts into memory together before anything that can fail, write both to the disk in
   * one durable write, and then log the lines. When it throws, it is called again, with the counts left out.
   */
  commit(state: UploadState, effects: Effects): Promise<void>;
  /** Where a user's sessions start, absolute in the chroot; by default the first configured directory. */
  startDirectory?(user: string): string | undefined;
  /** A partner was told `Failure`: theirs, or the mount's. */
  failed?(): void;
  /** Whether the log is heard at all; without it, it is believed to be. */
  readonly log?: LogProof;
}

export interface UploadOptions {
  /** What the checkpoint held. */
  readonly loaded: LoadedUploadState;
  /** The hidden command that runs the witness, without its argument. */
  readonly witnessArgv: Argv;
  readonly namespace?: string;
}

/** The uploads' part of `status`; counts since the very first start. */
export interface UploadReport {
  /** Whether the log is being read; where it is not, the counts are stale. */
  readonly following: boolean;
  readonly completed: number;
  readonly partial: number;
  readonly bytes: number;
  /** On their way to the bucket, those past their deadline among them. */
  readonly outstanding: number;
  /** Past their deadline now. */
  readonly undelivered: number;
  readonly delivered: number;
  readonly superseded: number;
  /** Files with names too long for sshd’s log, uploaded or downloaded. */
  readonly unknown: number;
  readonly gaps: number;
  /** Of the completed ones, those that only the witness saw. */
  readonly approximate: number;
  readonly sessions: number;
  /** Time of the last line that is counted in, ms since 1970. */
  readonly readUpTo: number | null;
  /** Why the log can't be read, the bucket can't be asked, or counts can't be kept; empty when all is well. */
  readonly problems: readonly string[];
  readonly witness: WitnessStatus;
}

export interface UploadFeed {
  /** Runs until the signal is aborted, then commits what it has. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
  report(): UploadReport;
  /** When the loop last went round, by the clock that never steps: the proof of life for the watchdog. */
  lastProgressMs(): number;
  /** Lines may have been lost between the sessions and the journal. */
  noteGap(reason: string): void;
  /** When a line of the agent's own probe login was last read, by the clock that never steps. */
  probeHeardMs(): number;
  /** Whether every line that was in the journal at a moment has been read. */
  hasRead(moment: Moment): boolean;
}

type FeedEdges = Pick<Edges, 'exec' | 'follow' | 'now' | 'monotonicMs' | 'log' | 'signal'>;

const LINES_A_TURN = 4_000;
const TURN_MS = 250;
/** No line for this long: the journal is read up to now. In ms. */
const QUIET_MS = 1_000;
const SETTLE_EVERY_MS = 500;
const WITNESS_OFF: WitnessStatus = { state: 'off', unknownArrivals: 0, problem: null };

const BELIEVED: LogProof = { state: () => 'heard', suspect: () => {}, concludedMs: () => Infinity };

/** LINE → EVENT → UPLOAD → RECEIPT: reads the log, counts uploads, follows each to its object. */
export function createUploadFeed(
  config: () => Config,
  { loaded, witnessArgv, namespace = JOURNAL_NAMESPACE }: UploadOptions,
  hooks: UploadHooks,
  edges: FeedEdges,
): UploadFeed {
  // What was on its way is kept by the tally alone: 100,000 uploads are 25 MB.
  const { sessions, outstanding, totals, ...state } = loaded.state;
  const unusable = loaded.problem;
  const fold = createFold(sessions);
  const tally = createTally(outstanding, totals);
  const partners = partnersOfHost(
    (user) =>
      (user === null ? undefined : hooks.startDirectory?.(user)) ?? `/${config().users.directories[0]}`,
    (uid) => uid >= config().users.uid_min && uid <= config().users.uid_max,
  );
  const delivery = createDelivery(config);
  const isOpenNow = ({ user, path }: { readonly user: string; readonly path: string }) =>
    isOpen(fold, partners, `${user}${path}`);
  const askFile = createFileQuestion(config, edges);
  const round = createDeliveryRound(tally, config, delivery, askFile, isOpenNow, edges);
  const vanishing = createVanishing();
  const committer = createCommitter(state, fold, tally, hooks.commit, edges);
  let reader: JournalReader | undefined;
  let witness: WitnessWatch | undefined;
  let clock = state.position?.at ?? 0;
  /** Time of the last line, by the journal's clock; and up to when, by the one that never steps, all was read. */
  let lineAt = 0;
  let allReadMs = Number.NEGATIVE_INFINITY;
  let lastSettled = 0;
  let lastProgress = edges.monotonicMs();
  let probeHeard = Number.NEGATIVE_INFINITY;
  const settleUnknown = createUnknownArrivals(hooks.log ?? BELIEVED, edges);
  let accountsProblem: string | null = null;

  const outcomes: Outcome[] = [];
  const takeOutcomes = () => {
    const schedule = scheduleOf(config());
    for (const outcome of outcomes) {
      tallyOutcome(tally, outcome, schedule);
      noteKnown(witness, outcome);
    }
    outcomes.length = 0;
  };

  const takeReading = (reading: Reading) => {
    if (reading.kind === 'gap') return tellGap(reading.reason);
    const { line } = reading;
    const lost = lossOf(line);
    const probe = probeLineOf(line, partners.probeUid());
    if (probe === 'session') probeHeard = edges.monotonicMs();
    if (probe !== undefined) {
      // The agent's own: no partner did anything.
    } else if (lost !== undefined) tellGap(`journald lost ${lost} lines`, line.id);
    else foldLine(fold, line, partners, outcomes);
    if (line.message === 'sent status Failure') hooks.failed?.();
    committer.reached({ cursor: line.cursor, at: line.at });
    clock = line.at;
    lineAt = line.at;
  };

  /** @param id of the line that told it, where one did */
  const tellGap = (reason: string, id = `${edges.now()}-${tally.totals.gaps}`) => {
    foldGap(fold, partners, outcomes);
    tally.totals.gaps += 1;
    tally.effects.lines.push(gapLine(id, edges.now(), reason));
  };

  /** While lines keep coming the journal is known up to the last one, and up to now once it is quiet. */
  const settle = (now: number) => {
    const isQuiet = reader !== undefined && !reader.isBehind() && now - reader.lastArrivalMs() > QUIET_MS;
    if (isQuiet) {
      clock = Math.max(clock, edges.now());
      allReadMs = now - QUIET_MS;
    }
    if (now - lastSettled < SETTLE_EVERY_MS) return;
    lastSettled = now;
    settleSessions(fold, clock, partners, outcomes);
    vanishing.end(fold, clock, edges.now(), partners, outcomes);
    if (witness !== undefined)
      settleUnknown(witness, { isOpen: (path) => isOpen(fold, partners, path), hasRead }, outcomes);
    takeOutcomes();
  };

  const hasRead = ({ at, monotonicMs }: Moment) => allReadMs >= monotonicMs || lineAt > at;

  const turn = async (signal: AbortSignal) => {
    await reader?.wait(TURN_MS);
    await partners.refresh().then(
      () => {
        accountsProblem = null;
      },
      (cause) => {
        accountsProblem = messageOf(cause);
      },
    );
    // Without the accounts nobody can be told from a stranger, so the lines wait.
    if (accountsProblem === null) {
      for (const reading of reader?.take(LINES_A_TURN) ?? []) takeReading(reading);
      takeOutcomes();
    }
    settle(edges.monotonicMs());
    round.turn(signal);
    await committer.commitIfDue(signal);
    lastProgress = edges.monotonicMs();
  };

  const run = async (signal: AbortSignal) => {
    if (unusable !== undefined) {
      edges.log.error({ problem: unusable }, 'the state of the uploads was unusable; counting begins anew');
      tellGap('the agent’s own state was lost');
    }
    if (state.position === null) await committer.begin(signal);
    await committer.redeliver(await linesNotWritten(state.outbox, edges), signal);
    reader = followJournal(
      { namespace, position: state.position, sinceMs: state.since },
      { ...edges, signal },
    );
    if (config().uploads.witness)
      witness = watchWitness([...witnessArgv, config().mount.path], { ...edges, signal });
    while (!signal.aborted) {
      try {
        await turn(signal);
      } catch (err) {
        edges.log.error({ err }, 'a turn of the upload feed failed; it goes on');
        lastProgress = edges.monotonicMs();
      }
    }
    reader.stop();
    witness?.stop();
    delivery.close();
    await committer.commitNow();
  };

  return {
    run,
    noteGap: (reason) => tellGap(reason),
    probeHeardMs: () => probeHeard,
    hasRead,
    lastProgressMs: () => Math.max(lastProgress, committer.lastAttemptMs()),
    report: () => ({
      following: reader !== undefined && reader.problem() === null && accountsProblem === null,
      ...tally.totals,
      outstanding: tally.book.size,
      undelivered: overdueCount(tally.book),
      sessions: fold.sessions.size,
      readUpTo: clock === 0 ? null : clock,
      problems: [accountsProblem, reader?.problem(), round.problem(), committer.problem()].filter(
        (each) => typeof each === 'string',
      ),
      witness: witness?.status() ?? WITNESS_OFF,
    }),
  };
}
