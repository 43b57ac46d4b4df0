import { createHash } from 'node:crypto';
import type { Step } from './step.ts';

/** An upload that the log must tell, as the partner knows it. */
export interface Expected {
  readonly user: string;
  readonly path: string;
  readonly uploadedAs: string | null;
  readonly kind: 'whole' | 'partial';
  /** Sent in this upload; null where the partner can't know how much of it arrived. */
  readonly bytes: number | null;
  /** MD5 of the file after it; null for one that is not whole. */
  readonly md5: string | null;
  /** When the partner had the server's word for it, in ms since 1970. */
  readonly at: number;
}

/** A step whose session broke before the server answered: it may have happened, or not, or by half. */
export interface Doubt {
  readonly user: string;
  readonly step: Step;
  /** MD5 of what the file holds if it was whole, where that is known. */
  readonly md5: string | null;
  /** What the client said. */
  readonly reason: string;
}

/** What the partners did, kept by those who did it; everything that the product says is compared with this. */
export interface Truth {
  readonly uploads: Expected[];
  readonly doubts: Doubt[];
  /** `<user><path>` → content of a file that is whole; what is unsettled is missing here. */
  readonly files: Map<string, Buffer>;
  /** Files whose content is in doubt, or left half-written. */
  readonly unsettled: Set<string>;
  readonly removed: Set<string>;
  /** What the log has to tell besides uploads: `DELETE <user><path>`, `CLOSE <user><path> <bytes read>` … */
  readonly operations: Operation[];
  /** MD5 of a file that was added to → MD5 of what it became: that holds the older upload's bytes, too. */
  readonly added: Map<string, Set<string>>;
  /** Stretches of the log that were taken away unread: each has to be told. */
  gaps: number;
  /** When the mount was lost and not back yet. */
  readonly outages: Outage[];
}

/** Something else than an upload, and when the partner had the server's word for it, in ms since 1970. */
export interface Operation {
  readonly what: string;
  readonly at: number;
}

/** In ms since 1970. */
export interface Outage {
  readonly from: number;
  readonly to: number;
}

export const emptyTruth = (): Truth => ({
  uploads: [],
  doubts: [],
  files: new Map(),
  unsettled: new Set(),
  removed: new Set(),
  operations: [],
  added: new Map(),
  gaps: 0,
  outages: [],
});

export const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

/** A file is whole. @param key `<user><path>` */
export function keep(truth: Truth, key: string, content: Buffer): void {
  truth.files.set(key, content);
  truth.unsettled.delete(key);
  truth.removed.delete(key);
}

export function drop(truth: Truth, key: string): void {
  truth.files.delete(key);
  truth.unsettled.delete(key);
  truth.removed.add(key);
}

/** A file, or a directory with all below it, has another name. */
export function rename(truth: Truth, from: string, to: string): void {
  for (const [key, content] of [...truth.files]) {
    if (key !== from && !key.startsWith(`${from}/`)) continue;
    drop(truth, key);
    keep(truth, to + key.slice(from.length), content);
  }
  if (truth.unsettled.delete(from)) truth.unsettled.add(to);
}

export function noteOperation({ operations }: Pick<Truth, 'operations'>, what: string): void {
  operations.push({ what, at: Date.now() });
}

/** A file was added to: what holds it after that holds what it was before, too. */
export function noteAdded({ added }: Pick<Truth, 'added'>, before: Uint8Array, after: Uint8Array): void {
  // Of all empty files the sum is the same, so that it can have become many things.
  added.set(md5(before), (added.get(md5(before)) ?? new Set()).add(md5(after)));
}
