import type { Evidence, LogLine } from './evidence.ts';
import { pathsOf, uploadsOf } from './step.ts';
import { type Doubt, type Expected, md5, type Truth } from './truth.ts';
import { isUnheard, isUnheardOperation, isUnheardRefusal } from './unheard.ts';
import { judgeGaps, judgeInvented, judgeOrigins, operationOf } from './verdict-invented.ts';
import { judgeMetrics } from './verdict-metrics.ts';
import { judgeReceipts } from './verdict-receipts.ts';

const MESSAGES: Readonly<Record<string, Expected['kind']>> = {
  'upload complete': 'whole',
  'upload interrupted': 'partial',
  'upload failed': 'partial',
};

/** An upload as the log tells it, with what it held where the truth knows. */
export interface Told {
  readonly id: string;
  readonly user: string;
  readonly path: string;
  readonly uploadedAs: string | null;
  readonly kind: Expected['kind'];
  readonly bytes: number | null;
  /** MD5 of the file after it; null where nobody can know. */
  md5: string | null;
}

/** Every point in which the product and the truth disagree; none is the point of it all. */
export function disagreements(truth: Truth, evidence: Evidence): string[] {
  const told = evidence.lines.flatMap(toldOf);
  return [
    ...judgeIds(evidence.lines),
    ...judgeUploads(truth, told),
    ...judgeOperations(truth, evidence.lines),
    ...judgeInvented(truth, told, evidence.lines),
    ...judgeOrigins(evidence.lines),
    ...judgeGaps(truth, evidence.lines),
    ...judgeBucket(truth, evidence),
    ...judgeReceipts(truth, told, evidence),
    ...judgeMetrics(told, evidence),
  ];
}

function toldOf(line: LogLine): Told[] {
  const kind = MESSAGES[String(line.msg)];
  if (kind === undefined) return [];
  return [
    {
      id: String(line['event-id']),
      user: String(line.user),
      path: String(line.path),
      uploadedAs: typeof line['uploaded-as'] === 'string' ? line['uploaded-as'] : null,
      kind,
      bytes: typeof line['bytes-in'] === 'number' ? line['bytes-in'] : null,
      md5: null,
    },
  ];
}

function judgeIds(lines: readonly LogLine[]): string[] {
  const seen = new Set<unknown>();
  return lines.flatMap((line) => {
    const id = line['event-id'];
    if (id === undefined) return [];
    if (seen.has(id)) return [`told twice: ${JSON.stringify(line)}`];
    seen.add(id);
    return [];
  });
}

/** Each upload that a partner knows of is told once, with its bytes; what else is told, a step in doubt explains. */
function judgeUploads(truth: Truth, told: readonly Told[]): string[] {
  const left = new Map<string, Told[]>();
  for (const each of told) left.set(each.user, [...(left.get(each.user) ?? []), each]);
  const missing: string[] = [];
  for (const expected of truth.uploads) {
    const mine = left.get(expected.user) ?? [];
    const same = mine.findIndex((each) => isSame(expected, each));
    const index = same < 0 ? mine.findIndex((each) => isUnheard(truth, expected, each)) : same;
    if (index < 0) missing.push(`not told: ${JSON.stringify(expected)}`);
    else for (const found of mine.splice(index, 1)) found.md5 = same < 0 ? null : expected.md5;
  }
  const doubts = [...truth.doubts];
  const invented = [...left.values()].flat().flatMap((each) => {
    const index = doubts.findIndex((doubt) => explains(doubt, each));
    if (index < 0)
      return isUnheardRefusal(truth, each) ? [] : [`told, but nobody did it: ${JSON.stringify(each)}`];
    for (const doubt of doubts.splice(index, 1)) if (each.kind === 'whole') each.md5 = doubt.md5;
    return [];
  });
  return [...missing, ...invented];
}

function isSame(expected: Expected, told: Told): boolean {
  return (
    expected.path === told.path &&
    expected.kind === told.kind &&
    expected.uploadedAs === told.uploadedAs &&
    (expected.bytes === null || expected.bytes === told.bytes || isVanished(expected, told))
  );
}

/** The session that broke off can have been killed at that very moment, and then says nothing. */
function isVanished(expected: Expected, told: Told): boolean {
  return expected.kind === 'partial' && told.bytes === null;
}

/** Whether a step that broke in the middle can have left this in the log. */
function explains({ user, step }: Doubt, told: Told): boolean {
  if (user !== told.user || uploadsOf(step) === 0) return false;
  if (!pathsOf(step).includes(told.path)) return false;
  if (told.kind === 'partial' || step.kind === 'resume') return true;
  const contents = 'contents' in step ? step.contents : 'content' in step ? [step.content] : [];
  return contents.some(({ size }) => size === told.bytes);
}

/** Downloads, deletes, renames and refusals are lines, too. */
function judgeOperations(truth: Truth, lines: readonly LogLine[]): string[] {
  const told = new Map<string, number>();
  for (const line of lines) {
    const operation = operationOf(line);
    if (operation !== undefined) told.set(operation, (told.get(operation) ?? 0) + 1);
  }
  return truth.operations.flatMap((operation) => {
    const count = told.get(operation.what) ?? 0;
    told.set(operation.what, count - 1);
    return count > 0 || isUnheardOperation(truth, operation) ? [] : [`not told: ${operation.what}`];
  });
}

/** The bucket holds what the partners sent, and nothing that they removed. */
function judgeBucket(truth: Truth, { versions, files }: Evidence): string[] {
  const latest = new Map(versions.filter((each) => each.latest).map((each) => [each.key, each]));
  const wrong: string[] = [];
  for (const [key, content] of truth.files) {
    const object = latest.get(key);
    if (object === undefined || object.deleted) wrong.push(`not in the bucket: ${key}`);
    else if (object.etag !== md5(content)) wrong.push(`other bytes in the bucket: ${key}`);
    if (files.get(key)?.equals(content) !== true) wrong.push(`other bytes on the mount: ${key}`);
  }
  for (const key of truth.removed) {
    const object = latest.get(key);
    if (object !== undefined && !object.deleted) wrong.push(`removed, but still in the bucket: ${key}`);
  }
  return wrong;
}
