import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadCheckpoint, saveCheckpoint } from '../../agent/checkpoint.ts';
import { emptyBufferState } from '../../agent/metrics/buffer-state.ts';
import { type DeliveryBook, follow } from '../../agent/uploads/delivery-plan.ts';
import { emptyUploadState, type Outstanding } from '../../agent/uploads/state.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'checkpoint-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const item = (n: number): Outstanding => ({
  id: `97a68b87-${n}`,
  session: '97a68b87-f2b',
  user: `partner${n % 500}`,
  path: `/upload/invoice-${n} "ö".xml`,
  size: n,
  uncounted: false,
  openedAt: n,
  closedAt: n,
  renamedAt: null,
  dueAt: n,
  attempts: 1,
  overdue: false,
});
const stateOf = (count: number) => ({
  ...emptyUploadState(1),
  outstanding: Array.from({ length: count }, (_, n) => item(n)),
});

it.each([0, 1, 500, 501, 2_000])('gives back what was saved, with %i uploads on their way', async (count) => {
  const path = join(directory, 'checkpoint.json');
  const uploads = stateOf(count);
  await saveCheckpoint(path, { version: 1, uploads, metrics: emptyBufferState() });
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
    version: 1,
    uploads,
    metrics: emptyBufferState(),
  });
  expect(await loadCheckpoint(path)).toEqual({ uploads, metrics: emptyBufferState(), problem: undefined });
});

it('sets a file aside that is not readable, and says so', async () => {
  const path = join(directory, 'checkpoint.json');
  writeFileSync(path, '{"version":1,');
  expect((await loadCheckpoint(path)).problem).toContain('set aside');
  expect(readFileSync(`${path}.unreadable`, 'utf8')).toBe('{"version":1,');
});

it('reads what has no lines, and refuses what lacks its end', async () => {
  const path = join(directory, 'checkpoint.json');
  const checkpoint = { version: 1, metrics: emptyBufferState(), uploads: stateOf(3) };
  writeFileSync(path, JSON.stringify(checkpoint));
  expect((await loadCheckpoint(path)).uploads).toEqual(checkpoint.uploads);
  await saveCheckpoint(path, { ...checkpoint, version: 1, uploads: stateOf(1_200) });
  writeFileSync(path, readFileSync(path, 'utf8').split('\n').slice(0, 2).join('\n'));
  expect((await loadCheckpoint(path)).problem).toContain('its end is missing');
});

it.each([
  ['short paths', '/upload/invoice.xml'],
  ['the longest paths that sshd can log', `/upload/${'p'.repeat(430)}`],
  ['paths of Chinese letters', `/upload/${'長'.repeat(24)}`],
])(
  'loads, keeps and saves as many uploads with %s as are followed within the heap that the unit gives the agent',
  {
    timeout: 60_000,
  },
  async (_what, prefix) => {
    const book: DeliveryBook = new Map();
    for (let n = 0; n < 100_000; n += 1) follow(book, { ...item(n), path: `${prefix}-${n}` });
    const uploads = { ...emptyUploadState(1), outstanding: [...book.values()] };
    const path = join(directory, 'checkpoint.json');
    await saveCheckpoint(path, { version: 1, uploads, metrics: emptyBufferState() });
    const unit = readFileSync('packaging/systemd/s3files-sftp-agent.service', 'utf8');
    const flags = /^ExecStart=\S+ (--\S+ --\S+) /m.exec(unit)?.[1]?.split(' ') ?? [];
    expect(flags).toHaveLength(2);
    const script = join(directory, 'script.ts');
    const modules = new URL('../../node_modules/', import.meta.url).pathname;
    const agent = new URL('../../agent/', import.meta.url).pathname;
    writeFileSync(
      script,
      `import { CloudWatchClient } from '${modules}@aws-sdk/client-cloudwatch/dist-cjs/index.js';
import { S3Client } from '${modules}@aws-sdk/client-s3/dist-cjs/index.js';
import { SecretsManagerClient } from '${modules}@aws-sdk/client-secrets-manager/dist-cjs/index.js';
const clients = [CloudWatchClient, S3Client, SecretsManagerClient].map((Client) => new Client({ region: 'x' }));
import { loadCheckpoint, saveCheckpoint } from '${agent}checkpoint.ts';
import { createFold } from '${agent}uploads/sessions.ts';
import { snapshot } from '${agent}uploads/commit.ts';
import { loadUploadState } from '${agent}uploads/state.ts';
import { createTally } from '${agent}uploads/tally.ts';
const { state } = loadUploadState((await loadCheckpoint('${path}')).uploads, 1);
const tally = createTally(state.outstanding, state.totals);
for (let round = 0; round < 3; round += 1) {
  const uploads = snapshot(1, null, createFold([]), tally, [], 1);
  await saveCheckpoint('${path}', { version: 1, uploads, metrics: { version: 1, periods: [], inFlight: null, dropped: {} } });
}
console.log(clients.length && tally.book.size);`,
    );
    expect(execFileSync(process.execPath, [...flags, script], { encoding: 'utf8' }).trim()).toBe(
      String(book.size),
    );
  },
);
