import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { send } from '../bed/outside/bucket-request.ts';

/** Answers when it has all of the body that was promised, as moto does. */
const bodies: string[] = [];
const server = createServer((incoming, answer) => {
  const chunks: Buffer[] = [];
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
  incoming.on('end', () => {
    bodies.push(Buffer.concat(chunks).toString());
    answer.end();
  });
});
let directory = '';
let port = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bucket-'));
  await writeFile(join(directory, 'file'), 'content');
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  server.close();
  await rm(directory, { recursive: true });
});

it('puts a file, as long as it was said to be', async () => {
  await send('PUT', '/bucket/key', { path: join(directory, 'file'), size: 4 }, port);
  expect(bodies).toEqual(['cont']);
});

it('gives up a file that became shorter, instead of waiting for the rest of it', async () => {
  const file = { path: join(directory, 'file'), size: 8 };
  await expect(send('PUT', '/bucket/key', file, port)).rejects.toThrow('shorter than 8 bytes');
});
