import { expect, it } from 'vitest';
import type { Evidence, LogLine } from '../storm/evidence.ts';
import { contentOf } from '../storm/random.ts';
import { doubt, emptyTruth, md5, settle } from '../storm/truth.ts';
import { disagreements } from '../storm/verdict.ts';

const NOTHING = { sum: 0, samples: 0 };
const CONTENT = { seed: 1, size: 5 };
const BYTES = contentOf(CONTENT);
const PLACE = { user: 'partner1', 'session-id': 's1', 'source-ip': '127.0.0.1' };

/** One partner, who uploads a file under a temporary name, reads it, and is refused another; all of it is told. */
function storm() {
  const truth = emptyTruth();
  settle(truth, 'partner1', {
    kind: 'put',
    path: '/upload/a',
    content: CONTENT,
    temporary: '/upload/a.part',
  });
  settle(truth, 'partner1', { kind: 'get', path: '/upload/a' });
  settle(truth, 'partner1', { kind: 'trespass', path: '/no' });
  const upload = { ...PLACE, path: '/upload/a', 'uploaded-as': '/upload/a.part', 'bytes-in': 5 };
  const receipt = { 'version-id': 'v', bytes: 5, etag: md5(BYTES), 'lag-seconds': 1 };
  const lines: LogLine[] = [
    { 'event-id': 'c', 'activity-type': 'CONNECTED', ...PLACE },
    { 'event-id': 'm', 'activity-type': 'RENAME', ...PLACE, path: '/upload/a.part', 'new-path': '/upload/a' },
    { 'event-id': 'u', 'activity-type': 'CLOSE', msg: 'upload complete', ...upload },
    { 'event-id': 'g', 'activity-type': 'CLOSE', ...PLACE, path: '/upload/a', 'bytes-out': 5 },
    { 'event-id': 'e', 'activity-type': 'ERROR', ...PLACE, path: '/no', operation: 'open' },
    { 'event-id': 'u.receipt', 'upload-id': 'u', key: 'partner1/upload/a', ...receipt },
  ];
  const version = { key: 'partner1/upload/a', versionId: 'v', bytes: 5, etag: md5(BYTES), latest: true };
  const evidence: Evidence = {
    lines,
    versions: [{ ...version, deleted: false }] as Evidence['versions'],
    metrics: {
      UploadCount: { sum: 1, samples: 1 },
      UploadBytes: { sum: 5, samples: 1 },
      PartialUploads: NOTHING,
      DeliveryLagSeconds: { sum: 1, samples: 1 },
    },
    repeated: {
      UploadCount: NOTHING,
      UploadBytes: NOTHING,
      PartialUploads: NOTHING,
      DeliveryLagSeconds: NOTHING,
    },
    files: new Map([['partner1/upload/a', BYTES]]),
  };
  return { truth, evidence };
}

it('finds nothing where all is told as it was', () => {
  const { truth, evidence } = storm();
  expect(disagreements(truth, evidence)).toEqual([]);
});

it.each<[string, LogLine]>([
  ['a deletion', { 'event-id': 'x', 'activity-type': 'DELETE', ...PLACE, path: '/upload/never' }],
  ['a rename', { 'event-id': 'x', 'activity-type': 'RENAME', ...PLACE, path: '/x', 'new-path': '/y' }],
  ['a download', { 'event-id': 'x', 'activity-type': 'CLOSE', ...PLACE, path: '/upload/a', 'bytes-out': 5 }],
  ['a refusal', { 'event-id': 'x', 'activity-type': 'ERROR', ...PLACE, path: '/no', operation: 'open' }],
  ['an upload that is late', { 'event-id': 'u.undelivered', 'upload-id': 'u', user: 'partner1' }],
  ['a gap', { 'event-id': 'x.gap', reason: 'journald lost 1 lines' }],
  ['a receipt of no upload', { 'event-id': 'x.undelivered', 'upload-id': 'x' }],
  ['an alarm of the witness', { 'activity-type': 'UNKNOWN', path: 'partner1/upload/f' }],
])('finds %s that is invented', (_what, line) => {
  const { truth, evidence } = storm();
  expect(disagreements(truth, { ...evidence, lines: [...evidence.lines, line] })).toHaveLength(1);
});

it.each<[string, (line: LogLine) => boolean]>([
  ['the upload', (line) => line['event-id'] === 'u'],
  ['the download', (line) => 'bytes-out' in line],
  ['the refusal', (line) => line['activity-type'] === 'ERROR'],
  ['the receipt', (line) => line['event-id'] === 'u.receipt'],
])('finds that %s is missing', (_what, which) => {
  const { truth, evidence } = storm();
  const lines = evidence.lines.filter((line) => !which(line));
  expect(disagreements(truth, { ...evidence, lines })).not.toEqual([]);
});

it.each([
  ['source-ip', '6.6.6.6'],
  ['source-ip', null],
  ['session-id', null],
  ['session-id', 'another'],
  ['bytes-in', 4],
  ['path', '/upload/b'],
  ['uploaded-as', '/upload/b.part'],
  ['user', 'partner2'],
])('finds that an upload’s %s is wrong: %j', (field, value) => {
  const { truth, evidence } = storm();
  const lines = evidence.lines.map((line) => (line['event-id'] === 'u' ? { ...line, [field]: value } : line));
  expect(disagreements(truth, { ...evidence, lines })).not.toEqual([]);
});

it('lets a step in doubt explain what is told of its paths, and of no other', () => {
  const { truth, evidence } = storm();
  doubt(truth, 'partner1', { kind: 'remove', path: '/upload/b' }, 'killed');
  const removed = (path: string) => ({ 'event-id': path, 'activity-type': 'DELETE', ...PLACE, path });
  const withLine = (path: string) => ({ ...evidence, lines: [...evidence.lines, removed(path)] });
  expect(disagreements(truth, withLine('/upload/b'))).toEqual([]);
  expect(disagreements(truth, withLine('/upload/c'))).toHaveLength(1);
});
