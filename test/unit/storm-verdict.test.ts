import { describe, expect, it } from 'vitest';
import type { Evidence, LogLine } from '../storm/evidence.ts';
import { contentOf } from '../storm/random.ts';
import { doubt, settle } from '../storm/settle.ts';
import type { Step } from '../storm/step.ts';
import { emptyTruth, md5, noteAdded, noteOperation } from '../storm/truth.ts';
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

it('wants a receipt of what is there in the end, although another session broke off meanwhile', () => {
  const { truth, evidence } = storm();
  const step = { kind: 'send-again', path: '/upload/b', content: CONTENT } as const;
  settle(truth, 'partner1', step);
  const told = { ...PLACE, path: '/upload/b' };
  const key = 'partner1/upload/b';
  const end = { 'upload-id': 'w', user: 'partner1', path: '/upload/b' };
  const receipt = { ...end, key, 'version-id': 'v', bytes: 5, etag: md5(BYTES), 'lag-seconds': 1 };
  const lines = (last: LogLine): LogLine[] => [
    ...evidence.lines,
    { 'event-id': 'w', 'activity-type': 'CLOSE', msg: 'upload complete', ...told, 'bytes-in': 5 },
    { 'event-id': 'p', 'activity-type': 'PARTIAL_CLOSE', msg: 'upload interrupted', ...told, 'bytes-in': 2 },
    last,
  ];
  const [version] = evidence.versions;
  const versions = [...evidence.versions, { ...version, key }] as Evidence['versions'];
  const metrics = {
    UploadCount: { sum: 2, samples: 2 },
    UploadBytes: { sum: 10, samples: 2 },
    PartialUploads: { sum: 1, samples: 1 },
  };
  const files = new Map([...evidence.files, [key, BYTES]]);
  const judged = (last: LogLine, lag: number) =>
    disagreements(truth, {
      ...evidence,
      lines: lines(last),
      versions,
      files,
      metrics: { ...metrics, DeliveryLagSeconds: { sum: lag, samples: lag } },
    });
  expect(judged({ 'event-id': 'w.receipt', ...receipt }, 2)).toEqual([]);
  expect(judged({ 'event-id': 'w.superseded', ...end, why: 'overwritten' }, 1)).toEqual([
    'there in the end, but no receipt: partner1/upload/b',
  ]);
});

it('takes a version that holds an upload with what was added to it, and no other, for that upload’s', () => {
  const other = Buffer.concat([BYTES, contentOf({ seed: 9, size: 3 })]);
  const judged = (etag: string) => {
    const { truth, evidence } = storm();
    noteAdded(truth, BYTES, other);
    truth.unsettled.add('partner1/upload/a');
    truth.files.clear();
    const withTag = (each: object) => ('etag' in each ? { ...each, etag } : each);
    const lines = evidence.lines.map((line) => withTag(line) as LogLine);
    const versions = evidence.versions.map(withTag) as Evidence['versions'];
    return disagreements(truth, { ...evidence, lines, versions });
  };
  expect(judged(md5(other))).toEqual([]);
  expect(judged('another')).toEqual([expect.stringContaining('another upload’s bytes')]);
});

it('wants each gap told, and none where there was none', () => {
  const { truth, evidence } = storm();
  truth.gaps = 1;
  const gap = { 'event-id': 'x.gap', reason: 'the journal no longer holds the last line read' };
  expect(disagreements(truth, evidence)).toHaveLength(1);
  expect(disagreements(truth, { ...evidence, lines: [...evidence.lines, gap] })).toEqual([]);
});

it('finds a rename that is told once more than it was done', () => {
  const { truth, evidence } = storm();
  const again = evidence.lines
    .filter((line) => line['activity-type'] === 'RENAME')
    .map((line) => ({ ...line, 'event-id': 'again' }));
  expect(disagreements(truth, { ...evidence, lines: [...evidence.lines, ...again] })).toHaveLength(1);
});

describe('what the partners know', () => {
  const settled = (step: Step) => {
    const truth = emptyTruth();
    settle(truth, 'u', step);
    const uploads = truth.uploads.map(({ path, uploadedAs, kind, bytes }) => [kind, path, uploadedAs, bytes]);
    return { ...truth, uploads, files: new Map([...truth.files].map(([key, bytes]) => [key, md5(bytes)])) };
  };
  const OTHER = { seed: 2, size: 9 };

  it('of a file that was removed while it was open', () => {
    expect(settled({ kind: 'remove-open', path: '/a', content: CONTENT })).toMatchObject({
      uploads: [['whole', '/a', null, 5]],
      operations: [{ what: 'DELETE u/a' }],
      files: new Map(),
      removed: new Set(['u/a']),
    });
  });
  it('of a file that was renamed while it was open', () => {
    expect(settled({ kind: 'rename-open', path: '/a', to: '/b', content: CONTENT })).toMatchObject({
      uploads: [['whole', '/b', '/a', 5]],
      operations: [{ what: 'RENAME u/a /b' }],
      files: new Map([['u/b', md5(BYTES)]]),
      removed: new Set(['u/a']),
    });
  });
  it('of a file that was open twice', () => {
    const step = { kind: 'overlap', path: '/a', byOther: false, before: 3, closesFirst: 0 } as const;
    const end = Buffer.from(contentOf(OTHER));
    BYTES.copy(end, 3, 3);
    expect(settled({ ...step, contents: [CONTENT, OTHER] })).toMatchObject({
      uploads: [
        ['whole', '/a', null, 5],
        ['whole', '/a', null, 9],
      ],
      files: new Map([['u/a', md5(end)]]),
    });
  });
  it('of a file that was sent again while the first session hung', () => {
    expect(settled({ kind: 'send-again', path: '/a', content: CONTENT })).toMatchObject({
      uploads: [
        ['partial', '/a', null, 2],
        ['whole', '/a', null, 5],
      ],
      files: new Map([['u/a', md5(BYTES)]]),
    });
  });
  it('of a temporary name that broke off and was never renamed: it is told under that name, and is not whole', () => {
    const truth = emptyTruth();
    settle(truth, 'u', { kind: 'interrupt', path: '/a.part', content: CONTENT }, 2);
    const lines = (told: LogLine) => ({ ...storm().evidence, lines: [told], versions: [], files: new Map() });
    const line = { 'event-id': 'i', user: 'u', 'activity-type': 'PARTIAL_CLOSE', 'bytes-in': 2 };
    const uploads = (told: LogLine) =>
      disagreements(truth, lines({ ...line, ...told })).filter((each) => /^(not told|told, but)/.test(each));
    expect(uploads({ msg: 'upload interrupted', path: '/a.part' })).toEqual([]);
    expect(uploads({ msg: 'upload interrupted', path: '/a' })).toHaveLength(2);
    expect(uploads({ msg: 'upload complete', path: '/a.part' })).toHaveLength(2);
  });
  it('of a step in doubt: any of its uploads may be told, and no more', () => {
    const truth = emptyTruth();
    const contents = [CONTENT, OTHER];
    doubt(truth, 'u', { kind: 'in-turn', path: '/a', contents }, 'killed');
    expect(truth.doubts).toHaveLength(2);
  });
});

describe('an upload whose last line could not leave its session', () => {
  const lost = {
    'event-id': 'o.lost',
    msg: 'upload failed',
    'activity-type': 'PARTIAL_CLOSE',
    'bytes-in': null,
  };
  const told = (outage: boolean) => {
    const { truth, evidence } = storm();
    settle(truth, 'partner1', { kind: 'put', path: '/upload/b', content: CONTENT });
    const at = truth.uploads.at(-1)?.at ?? 0;
    truth.outages.push({ from: at - (outage ? 100 : 200), to: at - (outage ? -100 : 100) });
    const lines = [...evidence.lines, { ...PLACE, ...lost, path: '/upload/b' }];
    return disagreements(truth, { ...evidence, lines }).filter((each) => /told|receipt/.test(each));
  };

  it('may be told as failed while the mount goes under', () => {
    expect(told(true)).toEqual([]);
  });

  it('may not be told as failed at any other time', () => {
    expect(told(false)).toEqual([
      expect.stringMatching(/^not told: .*upload.b/),
      expect.stringMatching(/^told, but nobody did it: .*o\.lost/),
      'there in the end, but no receipt: partner1/upload/b',
    ]);
  });

  it('takes a refusal that was not told with it for an opening that its session ended', () => {
    const judged = (during: boolean) => {
      const { truth, evidence } = storm();
      noteOperation(truth, 'ERROR partner1/never open');
      const at = truth.operations.at(-1)?.at ?? 0;
      truth.outages.push(during ? { from: at, to: at } : { from: at + 1, to: at + 2 });
      const lines = [...evidence.lines, { ...PLACE, ...lost, path: '/never' }];
      return disagreements(truth, { ...evidence, lines }).filter((each) => /told/.test(each)).length;
    };
    expect([judged(true), judged(false)]).toEqual([0, 2]);
  });
});
