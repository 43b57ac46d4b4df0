import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { parseConfig } from '../../../agent/config.ts';
import { createDelivery } from '../../../agent/uploads/delivery.ts';

const CONFIG = parseConfig(
  '[aws]\nregion = "eu-central-1"\n[mount]\nfile_system_id = "fs-0123456789abcdef0"\n[uploads]\nbucket = "bucket"\nprefix = "in/"',
  'test',
);
const { signal } = new AbortController();

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'x');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'x');
});
afterEach(() => vi.unstubAllEnvs());

/** S3, played by a server of the test's own. */
async function s3(answer: RequestListener) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const delivery = createDelivery(() => CONFIG);
  onTestFinished(() => {
    delivery.close();
    server.closeAllConnections();
    server.close();
  });
  return (path: string) =>
    delivery.look(
      {
        id: 'i',
        session: 's',
        user: 'alice',
        path,
        size: 3,
        uncounted: false,
        openedAt: 0,
        closedAt: 0,
        renamedAt: null,
        dueAt: 0,
        attempts: 0,
        overdue: false,
      },
      signal,
    );
}

it('asks with HEAD for the prefix, the user and the path, encoded', async () => {
  const asked: string[] = [];
  const look = await s3((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.setHeader('content-length', '3');
    response.setHeader('etag', '"e1"');
    response.setHeader('x-amz-version-id', 'v1');
    response.setHeader('last-modified', 'Tue, 24 Nov 2026 01:45:47 GMT');
    response.end();
  });
  expect(await look('/upload/ü "a"+b?#\n%41')).toEqual({
    kind: 'found',
    versionId: 'v1',
    etag: 'e1',
    bytes: 3,
    modifiedAt: Date.UTC(2026, 10, 24, 1, 45, 47),
  });
  expect(asked).toEqual(['HEAD /bucket/in/alice/upload/%C3%BC%20%22a%22%2Bb%3F%23%0A%2541']);
});

it('tells a missing object from a question that was refused or got no answer', async () => {
  let status = 404;
  const look = await s3((_request, response) => {
    response.statusCode = status;
    response.end();
  });
  expect(await look('/a')).toEqual({ kind: 'absent' });
  status = 403;
  expect(await look('/a')).toMatchObject({
    kind: 'unknown',
    problem: expect.stringContaining('s3:ListBucket'),
  });
  status = 503;
  expect(await look('/a')).toMatchObject({ kind: 'unknown' });
});
