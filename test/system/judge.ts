import type { Course } from './cell.ts';
import type { PartnerEvent } from './evidence.ts';
import type { MountFault } from './faults.ts';
import type { Load } from './loads.ts';

/** What the product promises, in seconds; see README and the man page. */
export const DETECT_SECONDS = 15;
export const RECOVER_SECONDS = 20;
/** WatchdogSec of the agent's unit. */
const WATCHDOG_SECONDS = 30;

/** One cell of the matrix. */
export interface CellResult {
  readonly fault: string;
  readonly load: Load;
  /** From the fault to the agent's verdict; null when nobody noticed anything. */
  readonly detectSeconds: number | null;
  /** From the fault to the first partner who was refused; null when none was. */
  readonly refuseSeconds: number | null;
  /** From the end of the cause until partners were served again; null when they always were. */
  readonly recoverSeconds: number | null;
  /** What partners saw, as counts of outcomes. */
  readonly partners: Readonly<Record<string, number>>;
  readonly lostBytes: number;
  readonly wrongDisk: readonly string[];
  readonly left: readonly string[];
  readonly agentAlive: boolean;
  readonly pingAgeSeconds: number;
  /** What is not as promised, one sentence each; empty: the cell passes. */
  readonly faults: readonly string[];
  /** What the agent said of the cause, where that was asked. */
  readonly said: string;
  /** A remark that a reader needs. */
  readonly note: string;
}

/** Judges a cell by its evidence. */
export function judge(name: string, load: Load, fault: MountFault, course: Course): CellResult {
  const { evidence, injectedAt, refusedByKernel } = course;
  const times = timesOf(course);
  const clearedAt = fault.agentEndsIt ? (times.detected ?? course.clearedAt) : course.clearedAt;
  const partners = countOutcomes(evidence.partners);
  const lostBytes = evidence.lost.reduce((sum, { bytes }) => sum + bytes, 0);
  const pingAgeSeconds = Math.max(
    0,
    ...evidence.events.map(({ kind, value }) => (kind === 'pingAge' ? Number(value) : 0)),
  );
  const restarted = evidence.events.some(({ kind }) => kind === 'agentPid' || kind === 'restarts');
  const agentAlive = !restarted && pingAgeSeconds <= WATCHDOG_SECONDS;
  const said = diagnoses(evidence.journal);
  const faults: string[] = [];
  const expect = (holds: boolean, otherwise: string) => {
    if (!holds) faults.push(otherwise);
  };

  const limit = fault.detectSeconds ?? DETECT_SECONDS;
  const unnoticed = times.detected === undefined && times.refused === undefined;
  if (!refusedByKernel && !(fault.mayPassUnnoticed && unnoticed)) {
    expect(!unnoticed, 'not noticed');
    const noticed = Math.min(times.detected ?? Infinity, times.refused ?? Infinity) - injectedAt;
    expect(unnoticed || noticed <= limit, `noticed after more than ${limit} s`);
    expect(
      times.served !== undefined && times.served - clearedAt <= RECOVER_SECONDS,
      `served again later than ${RECOVER_SECONDS} s after the cause was gone`,
    );
  }
  expect(course.uploadWorks, 'no upload succeeded afterwards');
  expect(lostBytes === 0, `${lostBytes} bytes lost`);
  expect(evidence.wrongDisk.names.length === 0, 'something landed on the host’s own disk');
  expect(evidence.wrongDisk.immutable, 'the directory below the mount is not immutable');
  expect(evidence.left.length === 0, `left behind: ${evidence.left.join('; ')}`);
  expect(agentAlive, 'the agent was restarted, or its watchdog not fed');
  expect(!('stuck' in partners), 'a partner’s client hung');
  // Before the verdict nobody can know: whoever logs in then waits for the mount, and is sent away with the others.
  const tooLate = evidence.partners.filter(
    ({ t, seconds = 0, outcome }) => outcome === 'turned-away' && t - seconds > (times.refused ?? Infinity),
  );
  expect(tooLate.length === 0, `${tooLate.length} partners were turned away after they had logged in`);
  expect(fault.diagnosis === undefined || fault.diagnosis.test(said), `said only: ${said || 'nothing'}`);

  const since = (from: number, to: number | undefined) =>
    to === undefined ? null : Math.max(0, Math.round((to - from) * 10) / 10);
  return {
    fault: name,
    load,
    detectSeconds: since(injectedAt, times.detected),
    refuseSeconds: since(injectedAt, times.refused),
    recoverSeconds: since(clearedAt, times.served),
    partners,
    lostBytes,
    wrongDisk: evidence.wrongDisk.names,
    left: evidence.left,
    agentAlive,
    pingAgeSeconds,
    faults,
    said: fault.diagnosis === undefined ? '' : said,
    note: refusedByKernel ? (fault.refusedByKernel ?? '') : '',
  };
}

interface Times {
  readonly detected: number | undefined;
  readonly refused: number | undefined;
  /** The last time that partners began to be served; undefined when they always were, or are not yet. */
  readonly served: number | undefined;
}

function timesOf({ evidence, injectedAt }: Course): Times {
  const verdicts = evidence.journal
    .filter(({ health, was }) => was !== undefined && health !== 'healthy' && health !== 'suspect')
    .map(({ time }) => Date.parse(String(time)) / 1000);
  let door: unknown = 'served';
  let health: unknown = 'healthy';
  let served: number | undefined;
  let refused: number | undefined;
  let well = true;
  for (const { t, kind, value } of evidence.events) {
    if (kind === 'door') door = value;
    if (kind === 'health') health = value;
    if (kind === 'door' && value !== 'served') refused ??= t;
    const nowWell = door === 'served' && (health === 'healthy' || health === 'suspect');
    if (nowWell && !well) served = t;
    if (!nowWell) served = undefined;
    well = nowWell;
  }
  return { detected: verdicts.find((time) => time >= injectedAt), refused, served };
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
    failures === undefined ? [] : [`${String(detail)}; ${String(hint)}`],
  );
  return [...new Set(said)].join(' / ');
}
