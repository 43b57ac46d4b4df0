import type { Evidence, LogLine } from './evidence.ts';
import { md5, type Truth } from './truth.ts';
import { isUnheard } from './unheard.ts';
import type { Told } from './verdict.ts';

/**
 * Each whole upload has one end: a receipt that names a version with its very bytes, or the reason why there is none,
 * which the truth has to bear out.
 */
export function judgeReceipts(truth: Truth, told: readonly Told[], evidence: Evidence): string[] {
  const versions = new Map(evidence.versions.map((each) => [`${each.key} ${each.versionId}`, each]));
  const ends = new Map<string, LogLine[]>();
  for (const line of evidence.lines) {
    if (!/\.(receipt|superseded|given-up)$/.test(String(line['event-id']))) continue;
    const id = String(line['upload-id']);
    ends.set(id, [...(ends.get(id) ?? []), line]);
  }
  const wrong: string[] = [];
  for (const upload of told) {
    const [end, ...more] = ends.get(upload.id) ?? [];
    if (upload.kind === 'partial') {
      if (end !== undefined) wrong.push(`a partial upload was followed: ${JSON.stringify(end)}`);
      continue;
    }
    if (end === undefined) wrong.push(`neither receipt nor reason: ${JSON.stringify(upload)}`);
    else if (more.length > 0) wrong.push(`more than one end: ${JSON.stringify([end, ...more])}`);
    else if (String(end['event-id']).endsWith('.receipt')) {
      const version = versions.get(`${String(end.key)} ${String(end['version-id'])}`);
      if (version === undefined) wrong.push(`a receipt for no version: ${JSON.stringify(end)}`);
      else if (version.bytes !== end.bytes || version.etag !== end.etag)
        wrong.push(`a receipt that does not fit its version: ${JSON.stringify(end)}`);
      else if (upload.md5 !== null && !holds(truth, version.etag, upload.md5))
        wrong.push(`a receipt for another upload’s bytes: ${JSON.stringify({ upload, end })}`);
    } else if (!mayLackReceipt(truth, told, upload, end))
      wrong.push(`no receipt, and no reason for that: ${JSON.stringify({ upload, end })}`);
  }
  return [...wrong, ...judgeLast(truth, told, evidence)];
}

/** Whether a version is of an upload's bytes, or of those with what was added before its export. */
function holds({ added }: Truth, etag: string | null, bytes: string): boolean {
  const sums = new Set([bytes]);
  for (const sum of sums) for (const later of added.get(sum) ?? []) sums.add(later);
  return etag !== null && sums.has(etag);
}

/** The last upload of a file that is there in the end has a receipt, whatever else was said about that path. */
function judgeLast(truth: Truth, told: readonly Told[], { lines }: Evidence): string[] {
  const receipts = new Set(lines.map((line) => `${String(line.key)} ${String(line.etag)}`));
  const last = new Map(truth.uploads.map((each) => [each.user + each.path, each]));
  return [...last].flatMap(([key, upload]) => {
    const content = truth.files.get(key);
    // Something else may have been renamed over it.
    if (content === undefined || upload.md5 !== md5(content)) return [];
    // Told as failed, it is not followed.
    if (told.some((each) => each.user === upload.user && isUnheard(truth, upload, each))) return [];
    return receipts.has(`${key} ${upload.md5}`) ? [] : [`there in the end, but no receipt: ${key}`];
  });
}

/** Why an upload that was followed may have no version of its own. */
function mayLackReceipt(truth: Truth, told: readonly Told[], upload: Told, end: LogLine): boolean {
  const key = upload.user + String(end.path);
  if (end.why === 'deleted') return truth.removed.has(key) || truth.unsettled.has(key);
  if (end.why !== 'overwritten') return false;
  return told.some((each) => each !== upload && each.user === upload.user && each.path === end.path);
}
