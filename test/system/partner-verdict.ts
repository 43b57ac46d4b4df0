import type { Times } from './course-times.ts';
import type { Course, PartnerEvent } from './evidence.ts';
import type { Load } from './loads.ts';

/**
 * What partners had to bear that they must not, one sentence each. No evidence is none of a good end: a load of which
 * nothing was heard since the fault proves nothing.
 */
export function judgePartners(load: Load, course: Course, times: Times): string[] {
  const { evidence, injectedAt } = course;
  const since = evidence.partners.filter(({ t }) => t >= injectedAt);
  const ofLoad = since.filter((event) => event.load === load);
  const say = (events: readonly PartnerEvent[], what: string) =>
    events.length === 0 ? [] : [`${events.length} × ${what}`];
  const after = (begin: number | undefined, ...outcomes: readonly string[]) =>
    since.filter(
      ({ t, seconds, outcome }) =>
        seconds !== undefined && t - seconds > (begin ?? Infinity) && outcomes.includes(outcome),
    );
  return [
    ...(load === 'idle' ? [] : missing(load, course, ofLoad, times)),
    ...say(
      since.filter(({ outcome }) => outcome === 'stuck'),
      'a partner’s client hung',
    ),
    ...say(
      since.filter(({ outcome }) => outcome === 'denied'),
      'a partner’s key was not accepted',
    ),
    // Before the verdict nobody can know: whoever logs in then waits for the mount, and is sent away with the others.
    ...say(
      after(times.refused, 'turned-away').filter((event) => !isAfter(event, times.served)),
      'turned away after a login, though the door was shut',
    ),
    ...say(
      after(times.served, 'refused', 'closed', 'turned-away', 'broken'),
      'an upload failed that began when partners were served again',
    ),
  ];
}

/** Whoever is under way or comes when nothing may be noticed must not notice anything either. */
export function judgeUndisturbed({ evidence, injectedAt }: Course, { refused }: Times): string[] {
  const failed = evidence.partners.filter(
    ({ t, outcome }) => t >= injectedAt && outcome !== 'ok' && outcome !== 'open',
  );
  return [
    ...(refused === undefined ? [] : ['partners were refused']),
    ...(failed.length === 0
      ? []
      : [`${failed.length} uploads or sessions of partners failed, and nobody noticed`]),
  ];
}

function missing(
  load: Exclude<Load, 'idle'>,
  { evidence, injectedAt }: Course,
  ofLoad: readonly PartnerEvent[],
  { served }: Times,
): string[] {
  if (load === 'sessions') {
    const { open } = evidence.before;
    // Each session ends, or is used for an upload at the end.
    if (open === 0) return ['no session was open before the fault'];
    return ofLoad.length >= open
      ? []
      : [`of ${open} sessions only ${ofLoad.length} were heard of afterwards`];
  }
  const heard: string[] = [];
  if (evidence.before.ok === 0) heard.push('no upload had come through before the fault');
  if (ofLoad.length === 0) heard.push('nothing was heard of the partners since the fault');
  else if (!ofLoad.some(({ t, outcome }) => outcome === 'ok' && t > (served ?? injectedAt)))
    heard.push('none of the partners’ uploads came through afterwards');
  return heard;
}

const isAfter = ({ t, seconds = 0 }: PartnerEvent, begin: number | undefined) =>
  t - seconds > (begin ?? Infinity);
