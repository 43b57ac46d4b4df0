import type { Course } from './evidence.ts';
import type { MountFault } from './faults.ts';

/** When things happened in a cell, by the guest's clock, in seconds since 1970; undefined: they did not. */
export interface Times {
  /** The agent had its verdict. */
  readonly detected: number | undefined;
  /** The first partner who was refused. */
  readonly refused: number | undefined;
  /** The last time that partners began to be served, or that what broke began to work; undefined: not since it broke. */
  readonly served: number | undefined;
  /** The clock of being served again starts here. */
  readonly cleared: number;
  /** So long, in seconds, a partner who connected got neither a greeting nor a refusal, until partners were served again. */
  readonly muteSeconds: number;
}

/** What observer.py waits for a greeting, in seconds, before it calls the door mute. */
const GREETING_SECONDS = 5;

/** Reads a course's times from what the observer and the agent's log say. */
export function timesOf(fault: MountFault, course: Course): Times {
  const { injectedAt, evidence } = course;
  const events = evidence.events.filter(({ t }) => t >= injectedAt);
  const door = events.filter(({ kind }) => kind === 'door');
  const served = fault.breaks === 'helper-watchdog' ? watchdogBack(course) : servedAgain(course);
  const end = served ?? evidence.at;
  const verdict = (fault.breaks === 'helper-watchdog' ? watchdogVerdict : mountVerdict)(course);
  return {
    detected: verdict,
    refused: door.find(({ value }) => value === 'refused')?.t,
    served,
    cleared: fault.agentEndsIt ? (verdict ?? course.clearedAt) : course.clearedAt,
    muteSeconds: door.reduce((sum, { t, value }, index) => {
      const until = Math.min(door[index + 1]?.t ?? end, end);
      return value === 'mute' && t < end ? sum + GREETING_SECONDS + until - t : sum;
    }, 0),
  };
}

function mountVerdict({ evidence, injectedAt }: Course): number | undefined {
  return evidence.journal
    .filter(({ health, was }) => was !== undefined && health !== 'healthy' && health !== 'suspect')
    .map(({ time }) => Date.parse(String(time)) / 1000)
    .find((time) => time >= injectedAt);
}

function servedAgain({ evidence, injectedAt }: Course): number | undefined {
  let door: unknown = 'served';
  let health: unknown = 'healthy';
  let served: number | undefined;
  let well = true;
  for (const { t, kind, value } of evidence.events) {
    if (t < injectedAt) continue;
    if (kind === 'door') door = value;
    if (kind === 'health') health = value;
    // A greeting that is slow takes nothing back: logins of many at once keep slow processors busy.
    const open: boolean = door === 'served' || (door === 'mute' && well);
    const nowWell: boolean = open && (health === 'healthy' || health === 'suspect');
    if (nowWell && !well) served = t;
    if (!nowWell) served = undefined;
    well = nowWell;
  }
  return served;
}

function watchdogVerdict({ evidence, injectedAt }: Course): number | undefined {
  return evidence.events.find(
    ({ t, kind, value }) => t >= injectedAt && kind === 'helperProblem' && value !== null,
  )?.t;
}

function watchdogBack({ evidence, injectedAt }: Course): number | undefined {
  const last = evidence.events
    .filter(({ t, kind }) => t >= injectedAt && kind === 'helperWatchdogSince')
    .at(-1);
  return last?.value === null ? undefined : last?.t;
}
