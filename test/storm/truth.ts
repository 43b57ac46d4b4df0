import { createHash } from 'node:crypto';
import { contentOf } from './random.ts';
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
  readonly operations: string[];
}

export const emptyTruth = (): Truth => ({
  uploads: [],
  doubts: [],
  files: new Map(),
  unsettled: new Set(),
  removed: new Set(),
  operations: [],
});

export const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

/** A step has had its whole effect. @param sent bytes, for a step that sends what is missing or breaks off */
export function settle(truth: Truth, user: string, step: Step, sent?: number): void {
  const whole = (path: string, content: Buffer, bytes: number | null, uploadedAs: string | null) => {
    keep(truth, user + path, content);
    truth.uploads.push({ user, path, uploadedAs, kind: 'whole', bytes, md5: md5(content), at: Date.now() });
  };
  switch (step.kind) {
    case 'put':
      if (step.temporary !== undefined) drop(truth, user + step.temporary);
      whole(step.path, contentOf(step.content), step.content.size, step.temporary ?? null);
      return;
    case 'append': {
      const before = truth.files.get(user + step.path);
      if (before === undefined) {
        // What it was added to is in doubt, so what it became is, too.
        truth.unsettled.add(user + step.path);
        const { path, content } = step;
        truth.uploads.push({
          user,
          path,
          uploadedAs: null,
          kind: 'whole',
          bytes: content.size,
          md5: null,
          at: Date.now(),
        });
      } else whole(step.path, Buffer.concat([before, contentOf(step.content)]), step.content.size, null);
      return;
    }
    case 'resume':
      whole(step.path, contentOf(step.content), sent ?? null, null);
      return;
    case 'interrupt':
    case 'vanish':
    case 'overflow': {
      const bytes = step.kind === 'interrupt' ? (sent ?? null) : null;
      truth.unsettled.add(user + step.path);
      truth.files.delete(user + step.path);
      truth.uploads.push({
        user,
        path: step.path,
        uploadedAs: null,
        kind: 'partial',
        bytes,
        md5: null,
        at: Date.now(),
      });
      return;
    }
    case 'get':
      truth.operations.push(`CLOSE ${user}${step.path} ${truth.files.get(user + step.path)?.length ?? sent}`);
      return;
    case 'remove':
      truth.operations.push(`DELETE ${user}${step.path}`);
      drop(truth, user + step.path);
      return;
    case 'rename':
      truth.operations.push(`RENAME ${user}${step.from} ${step.to}`);
      rename(truth, user + step.from, user + step.to);
      return;
    case 'mkdir':
      truth.operations.push(`MKDIR ${user}${step.path}`);
      return;
    case 'trespass':
      truth.operations.push(`ERROR ${user}${step.path} open`);
  }
}

/** The session broke while a step was under way. */
export function doubt(truth: Truth, user: string, step: Step, reason: string): void {
  const before = 'path' in step ? truth.files.get(user + step.path) : undefined;
  const content = 'content' in step ? contentOf(step.content) : Buffer.alloc(0);
  const after =
    step.kind === 'append' ? (before === undefined ? null : Buffer.concat([before, content])) : content;
  truth.doubts.push({ user, step, md5: after === null ? null : md5(after), reason });
  for (const path of pathsOf(step)) {
    for (const key of [...truth.files.keys()]) {
      if (key !== user + path && !key.startsWith(`${user}${path}/`)) continue;
      truth.files.delete(key);
      truth.unsettled.add(key);
    }
    truth.unsettled.add(user + path);
  }
}

/** The paths that a step may change. */
export function pathsOf(step: Step): readonly string[] {
  switch (step.kind) {
    case 'rename':
      return [step.from, step.to];
    case 'put':
      return step.temporary === undefined ? [step.path] : [step.path, step.temporary];
    case 'get':
    case 'trespass':
      return [];
    default:
      return [step.path];
  }
}

function keep(truth: Truth, key: string, content: Buffer): void {
  truth.files.set(key, content);
  truth.unsettled.delete(key);
  truth.removed.delete(key);
}

function drop(truth: Truth, key: string): void {
  truth.files.delete(key);
  truth.unsettled.delete(key);
  truth.removed.add(key);
}

function rename(truth: Truth, from: string, to: string): void {
  for (const [key, content] of [...truth.files]) {
    if (key !== from && !key.startsWith(`${from}/`)) continue;
    drop(truth, key);
    keep(truth, to + key.slice(from.length), content);
  }
  if (truth.unsettled.delete(from)) truth.unsettled.add(to);
}
