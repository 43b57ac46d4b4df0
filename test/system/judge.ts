import { type Times, timesOf } from './course-times.ts';
import { type Course, OBSERVED, type PartnerEvent } from './evidence.ts';
import type { MountFault } from './faults.ts';
import type { Load } from './loads.ts';
import { judgePartners, judgeUndisturbed } from './partner-verdict.ts';

/** What the product promises, in seconds; see README. */
export const DETECT_SECONDS = 15;
export const RECOVER_SECONDS = 20;
/** A partner waits at most so long for a greeting or a refusal: what stopping the sshd may take. */
const MUTE_SECONDS = 10;
/** WatchdogSec of the agent's unit. */
const WATCHDOG_SECONDS = 30;
/** What the observer has not looked at for so long was not observed. */
const UNSEEN_SECONDS = 15;

/** Seconds; `never`: it did not come to pass; null: there was nothing that could. */
export type Seconds = number | 'never' | null;

/** One cell of the matrix. */
export interface CellResult {
  readonly fault: string;
  readonly load: Load;
  /** Whether it came to its end; of one that did not nothing is known but why. */
  readonly played: boolean;
  /** From the fault to the agent's verdict. */
  readonly detectSeconds: Seconds;
  /** From the fault to the first partner who was refused; null when none was. */
  readonly refuseSeconds: Seconds;
  /** From the end of the cause until partners were served again; null when they always were. */
  readonly recoverSeconds: Seconds;
  /** What partners saw, as counts of outcomes. */
  readonly partners: Readonly<Record<string, number>>;
  readonly lostBytes: number;
  readonly wrongDisk: readonly string[];
  readonly left: readonly string[];
  readonly agentAlive: boolean;
  /** Null: not one was seen. */
  readonly pingAgeSeconds: number | null;
  /** What is not as promised, one sentence each; empty: the cell passes. */
  readonly faults: readonly string[];
  /** What the agent said of the cause, where that was asked. */
  readonly said: string;
  /** A remark that a reader needs. */
  readonly note: string;
}

/** Judges a cell by its evidence. What was not observed counts as not kept. */
export function judge(name: string, load: Load, fault: MountFault, course: Course): CellResult {
  const { evidence, injectedAt, refusedByKernel } = course;
  const times = timesOf(fault, course);
  const unnoticed = times.detected === undefined && times.refused === undefined;
  const nothingToNotice = refusedByKernel || (fault.mayPassUnnoticed === true && unnoticed);
  const undisturbed = nothingToNotice || fault.breaks === 'helper-watchdog';
  // Logins keep slow processors from greeting in time; where nothing is away, they are served all the same, or told.
  const answered = times.muteSeconds <= MUTE_SECONDS || (undisturbed && load !== 'idle');
  const agent = judgeAgent(course);
  const said = diagnoses(evidence.journal);
  const told = fault.diagnosis === undefined || fault.diagnosis.test(said);
  const seconds = (from: number, to: number | undefined): Seconds =>
    to === undefined ? 'never' : Math.max(0, Math.round((to - from) * 10) / 10);
  return {
    fault: name,
    load,
    played: true,
    detectSeconds: nothingToNotice ? null : seconds(injectedAt, times.detected),
    refuseSeconds: times.refused === undefined ? null : seconds(injectedAt, times.refused),
    recoverSeconds: nothingToNotice ? null : seconds(times.cleared, times.served),
    partners: countOutcomes(evidence.partners),
    lostBytes: evidence.lost.reduce((sum, { bytes }) => sum + bytes, 0),
    wrongDisk: evidence.wrongDisk.names,
    left: evidence.left,
    agentAlive: agent.faults.length === 0,
    pingAgeSeconds: agent.pingAgeSeconds,
    faults: [
      ...(refusedByKernel && load === 'idle' ? ['it was refused, though nobody used the mount'] : []),
      ...(nothingToNotice ? [] : judgeTimes(injectedAt, times)),
      ...(undisturbed ? judgeUndisturbed(course, times) : []),
      ...(answered ? [] : [`for ${Math.round(times.muteSeconds)} s partners got no answer at the door`]),
      // Who was served throughout has no time before which an upload may fail.
      ...judgePartners(load, course, undisturbed ? { ...times, served: undefined } : times),
      ...judgeEnd(course),
      ...agent.faults,
      ...(told ? [] : [`said only: ${said || 'nothing'}`]),
    ],
    said: fault.diagnosis === undefined ? '' : said,
    note: refusedByKernel ? (fault.refusedByKernel?.note ?? '') : '',
  };
}

/** A cell that could not be played: a failed one, of which nothing else is known. */
export function unplayed(fault: string, load: Load, problem: string): CellResult {
  return {
    ...{ fault, load, played: false, detectSeconds: null, refuseSeconds: null, recoverSeconds: null },
    ...{ partners: {}, lostBytes: 0, wrongDisk: [], left: [], agentAlive: false, pingAgeSeconds: null },
    ...{ faults: [`not played to its end: ${problem.slice(0, 300)}`], said: '', note: '' },
  };
}

function judgeTimes(injectedAt: number, { detected, cleared, served }: Times): string[] {
  const late = (what: string, seconds: number, limit: number) =>
    seconds <= limit ? [] : [`${what} after more than ${limit} s`];
  return [
    ...(detected === undefined
      ? ['the agent had no verdict']
      : late('noticed', detected - injectedAt, DETECT_SECONDS)),
    ...(served === undefined
      ? ['never served again']
      : late('served again', served - cleared, RECOVER_SECONDS)),
  ];
}

/** What must hold at the end, whatever happened. */
function judgeEnd({ uploadWorks, loadEnded, evidence }: Course): string[] {
  const { at, seen, verified, lost, wrongDisk, helperWatchdog, left } = evidence;
  const claims: ReadonlyArray<readonly [holds: boolean, otherwise: string]> = [
    [uploadWorks, 'no upload succeeded afterwards'],
    [loadEnded, 'the partners did not come to an end afterwards'],
    [verified > 0, 'no uploaded file was there to be verified'],
    [lost.length === 0, `${lost.length} uploads lost or not whole`],
    [wrongDisk.names.length === 0, 'something landed on the host’s own disk'],
    [wrongDisk.immutable, 'the directory below the mount is not immutable'],
    [helperWatchdog === 'active', `the helper’s watchdog is ${helperWatchdog}`],
    [left.length === 0, `left behind: ${left.join('; ')}`],
    ...OBSERVED.map(
      (what) => [at - (seen[what] ?? 0) <= UNSEEN_SECONDS, `nobody looked at the ${what} any more`] as const,
    ),
  ];
  return claims.flatMap(([holds, otherwise]) => (holds ? [] : [otherwise]));
}

/** Whether the agent lived, and its watchdog was fed, throughout. */
function judgeAgent({ evidence, injectedAt }: Course) {
  const events = evidence.events.filter(({ t }) => t >= injectedAt);
  const ages = events.filter(({ kind }) => kind === 'pingAge').map(({ value }) => Number(value));
  const pingAgeSeconds = ages.length === 0 ? null : Math.max(...ages);
  const faults = events.some(({ kind }) => kind === 'agentPid' || kind === 'restarts')
    ? ['the agent was restarted']
    : [];
  if (pingAgeSeconds === null) faults.push('whether the agent’s watchdog was fed was not observed');
  else if (pingAgeSeconds > WATCHDOG_SECONDS) faults.push('the agent’s watchdog was not fed');
  return { pingAgeSeconds, faults };
}

/** How many of each outcome; sessions that ended are told from uploads. */
function countOutcomes(events: readonly PartnerEvent[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { what, outcome } of events) {
    const key = what === 'session' ? `session ${outcome}` : outcome;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** What the agent said of failed attempts, with the hint. */
function diagnoses(journal: Course['evidence']['journal']): string {
  const said = journal.flatMap(({ detail, hint, failures }) =>
    failures === undefined || detail === undefined ? [] : [`${String(detail)}; ${String(hint)}`],
  );
  return [...new Set(said)].join(' / ');
}
