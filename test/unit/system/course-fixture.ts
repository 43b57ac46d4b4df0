import type { Course, Evidence, PartnerEvent } from '../../system/evidence.ts';
import type { Load } from '../../system/loads.ts';

/** The fault, the verdict, the end of the cause, and partners served again, by the guest's clock. */
export const [BROKEN, VERDICT, CLEARED, SERVED, END] = [1000, 1011, 1030, 1040, 1060];

const at = (t: number, kind: string, value: unknown) => ({ t, kind, value });

/** What the observer saw of a mount that hung, was refused to partners, and came back. */
export const OUTAGE = [
  at(BROKEN + 4, 'pingAge', 6),
  at(VERDICT, 'health', 'hung'),
  at(VERDICT + 1, 'door', 'refused'),
  at(SERVED - 1, 'door', 'served'),
  at(SERVED, 'health', 'healthy'),
];

const upload = (load: Load | 'once', t: number, outcome = 'ok'): PartnerEvent => ({
  ...{ t, load, user: 'p01', what: 'upload', outcome, seconds: 1 },
});

const PARTNERS: Readonly<Record<Load, readonly PartnerEvent[]>> = {
  idle: [],
  upload: [upload('upload', VERDICT + 2, 'broken'), upload('upload', SERVED + 5)],
  storm: [upload('storm', VERDICT + 5, 'refused'), upload('storm', SERVED + 5)],
  sessions: Array.from({ length: 50 }, () => ({
    ...{ t: VERDICT + 2, load: 'sessions', user: 'p01', what: 'session', outcome: 'ended' },
  })),
};

/** The course of a cell that is as promised in every respect. @param evidence what is to be otherwise */
export function goodCourse(
  load: Load,
  evidence: Partial<Evidence> = {},
  course: Partial<Omit<Course, 'evidence'>> = {},
): Course {
  return {
    ...{ injectedAt: BROKEN, clearedAt: CLEARED, refusedByKernel: false, uploadWorks: true, loadEnded: true },
    ...course,
    evidence: {
      at: END,
      seen: { door: END - 2, status: END - 1, units: END - 4 },
      events: OUTAGE,
      partners: [...PARTNERS[load], upload('once', SERVED + 8)],
      before: { ok: 9, open: load === 'sessions' ? 50 : 0 },
      journal: [
        { time: new Date(VERDICT * 1000).toISOString(), health: 'hung', was: 'suspect' },
        { detail: 'the file system denied the mount', hint: 'allow it', failures: 1 },
      ],
      verified: 10,
      lost: [],
      wrongDisk: { names: [], immutable: true },
      helperWatchdog: 'active',
      left: [],
      ...evidence,
    },
  };
}
