import type { Load } from './loads.ts';

/** What guest/collect.py tells of a cell; times are the guest's, in seconds since 1970. */
export interface Evidence {
  /** When it was taken. */
  readonly at: number;
  /** When the observer last looked at each thing. */
  readonly seen: Readonly<Partial<Record<Observed, number>>>;
  readonly events: readonly Observation[];
  readonly partners: readonly PartnerEvent[];
  /** Before the fault: uploads that had come through, and sessions that were open. */
  readonly before: { readonly ok: number; readonly open: number };
  /** The agent's own log. */
  readonly journal: ReadonlyArray<Readonly<Record<string, unknown>>>;
  /** How many of the files that partners were told are there are whole. */
  readonly verified: number;
  /** Those that are not there, or not whole. */
  readonly lost: ReadonlyArray<{ readonly user: string; readonly name: string; readonly bytes: number }>;
  readonly wrongDisk: { readonly names: readonly string[]; readonly immutable: boolean };
  /** What systemd says of the helper's watchdog: `active`. */
  readonly helperWatchdog: string;
  readonly left: readonly string[];
}

export const OBSERVED = ['door', 'status', 'units'] as const;
export type Observed = (typeof OBSERVED)[number];

/** A change that guest/observer.py saw. */
export interface Observation {
  readonly t: number;
  readonly kind: string;
  readonly value: unknown;
}

export interface PartnerEvent {
  readonly t: number;
  /** `once`: an upload that belongs to no load. */
  readonly load: Load | 'once';
  readonly user: string;
  readonly what: 'upload' | 'session';
  readonly outcome: string;
  readonly seconds?: number;
}

/** When things happened in a cell, and what is known of it. */
export interface Course {
  readonly injectedAt: number;
  /** The cause was gone: cleared, or gone at once. */
  readonly clearedAt: number;
  /** The kernel refused the fault; nothing happened. */
  readonly refusedByKernel: boolean;
  /** Partners were served again, and one uploaded a file. */
  readonly uploadWorks: boolean;
  /** What partners did under load came to its end when it was asked to. */
  readonly loadEnded: boolean;
  readonly evidence: Evidence;
}
