import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createSecretsSource } from '../../../agent/accounts/secrets.ts';

/** Secrets Manager's wire protocol, as far as the agent speaks it: JSON 1.1, the action in X-Amz-Target. */
interface Service {
  secrets: Map<string, { version: string; text: string }>;
  /** Secrets that were deleted (`forced`) or scheduled for it. */
  deleted: Map<string, 'forced' | 'scheduled'>;
  denied: Set<string>;
  /** Answers this instead of what is asked for. */
  fail: (action: string, body: Record<string, unknown>) => { status: number; type: string } | undefined;
  calls: string[];
  /** How many values a batch's answer holds at most. */
  valuesPerPage: number;
}

let service: Service;
let server: Server;
const names = (count: number) =>
  Array.from({ length: count }, (_, index) => `p/user${String(index).padStart(5, '0')}`);

function answer(action: string, body: Record<string, unknown>): unknown {
  if (action === 'ListSecrets') {
    const all = [...service.secrets.keys()].filter((name) => !service.deleted.has(name));
    const from = Number(body.NextToken ?? 0);
    const more = from + 100 < all.length;
    return {
      SecretList: all.slice(from, from + 100).map((Name) => ({ Name })),
      ...(more && { NextToken: String(from + 100) }),
    };
  }
  if (action === 'DescribeSecret') {
    const name = String(body.SecretId);
    if (service.deleted.get(name) === 'scheduled') return { Name: name, DeletedDate: 1_800_000_000 };
    return service.secrets.has(name) && !service.deleted.has(name) ? { Name: name } : undefined;
  }
  const ids = body.SecretIdList as string[];
  const errors = new Map(
    ids.flatMap((id): [string, string][] => {
      if (service.denied.has(id)) return [[id, 'AccessDeniedException']];
      if (service.deleted.get(id) === 'scheduled') return [[id, 'InvalidRequestException']];
      return service.deleted.has(id) || !service.secrets.has(id) ? [[id, 'ResourceNotFoundException']] : [];
    }),
  );
  const SecretValues = ids
    .filter((id) => !errors.has(id))
    .map((Name) => ({
      Name,
      VersionId: service.secrets.get(Name)?.version,
      SecretString: service.secrets.get(Name)?.text,
    }));
  const from = Number(body.NextToken ?? 0);
  const next = from + service.valuesPerPage;
  return {
    SecretValues: SecretValues.slice(from, next),
    Errors: from === 0 ? [...errors].map(([SecretId, ErrorCode]) => ({ SecretId, ErrorCode })) : [],
    ...(next < SecretValues.length && { NextToken: String(next) }),
  };
}

beforeAll(async () => {
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      const action = String(request.headers['x-amz-target']).split('.')[1] ?? '';
      const body = JSON.parse(text) as Record<string, unknown>;
      service.calls.push(action);
      const failure = service.fail(action, body);
      const result = failure ? undefined : answer(action, body);
      response.setHeader('content-type', 'application/x-amz-json-1.1');
      response.statusCode = failure?.status ?? (result === undefined ? 400 : 200);
      response.end(
        JSON.stringify(result ?? { __type: failure?.type ?? 'ResourceNotFoundException', message: 'no' }),
      );
    });
  });
  // Not while the client waits between its attempts.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
});
afterAll(() => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  service = {
    secrets: new Map(),
    deleted: new Map(),
    denied: new Set(),
    fail: () => undefined,
    calls: [],
    valuesPerPage: 20,
  };
});

const put = (list: string[], version = 'v1') => {
  for (const name of list) service.secrets.set(name, { version, text: `{"of":"${name}"}` });
};
const knownOf = (list: string[]) => new Map(list.map((name) => [name, 'v1']));
const source = (monotonicMs = () => 0) => createSecretsSource({ region: 'eu-central-1' }, { monotonicMs });
const signal = AbortSignal.timeout(120_000);

describe('reading secrets', () => {
  it('discovers what begins with the prefix, and later hands over only what changed', async () => {
    put([...names(25), 'other/p/user']);
    const reader = source();
    const first = await reader.read(new Map(), 'p/', signal);
    expect(first.failure).toBeNull();
    expect(first.readings.map(({ secret }) => secret).sort()).toEqual(names(25));
    put(['p/user00003'], 'v2');
    const second = await reader.read(knownOf(names(25)), 'p/', signal);
    expect(second.readings.filter(({ state }) => state !== 'unchanged')).toEqual([
      {
        secret: 'p/user00003',
        state: 'changed',
        document: expect.objectContaining({ secret: 'p/user00003', versionId: 'v2', form: 'native' }),
      },
    ]);
    expect(service.calls.toSorted()).toEqual([
      ...Array(4).fill('BatchGetSecretValue'),
      ...Array(2).fill('ListSecrets'),
    ]);
  });

  it('reads what is found while it looks for more, in batches as full as they can be', async () => {
    put(names(310));
    expect((await source().read(new Map(), 'p/', signal)).readings).toHaveLength(310);
    expect(service.calls.indexOf('BatchGetSecretValue')).toBeLessThan(
      service.calls.lastIndexOf('ListSecrets'),
    );
    expect(service.calls.toSorted()).toEqual([
      ...Array(16).fill('BatchGetSecretValue'),
      ...Array(4).fill('ListSecrets'),
    ]);
  });

  it('keeps what it read of a long list, though most batches failed', async () => {
    put(names(310));
    service.fail = (action, { SecretIdList }) =>
      action === 'BatchGetSecretValue' && !String(SecretIdList).startsWith('p/user00000')
        ? { status: 400, type: 'AccessDeniedException' }
        : undefined;
    const { readings, failure } = await source().read(new Map(), 'p/', signal);
    expect(failure?.message).toMatch(/^read secrets p\/user/);
    expect(readings.map(({ secret }) => secret)).toEqual(names(20));
    expect(service.calls.filter((action) => action === 'ListSecrets')).toHaveLength(4);
  });

  it('lists many pages every five minutes only, and polls what it knows each time', async () => {
    put(names(250));
    let clock = 0;
    const reader = source(() => clock);
    await reader.read(new Map(), 'p/', signal);
    service.calls.length = 0;
    clock = 299_999;
    await reader.read(knownOf(names(250)), 'p/', signal);
    expect(new Set(service.calls)).toEqual(new Set(['BatchGetSecretValue']));
    expect(service.calls).toHaveLength(13);
    clock = 300_000;
    await reader.read(knownOf(names(250)), 'p/', signal);
    expect(service.calls).toContain('ListSecrets');
  });

  it('calls a secret gone only on its own word', async () => {
    put(names(4));
    service.deleted.set('p/user00000', 'forced').set('p/user00001', 'scheduled');
    service.denied.add('p/user00002');
    const { readings, failure } = await source().read(knownOf([...names(4), 'p/never']), 'p/', signal);
    expect(failure).toBeNull();
    expect(Object.fromEntries(readings.map(({ secret, state }) => [secret, state]))).toEqual({
      'p/user00000': 'gone',
      'p/user00001': 'gone',
      'p/user00002': 'unread',
      'p/user00003': 'unchanged',
      'p/never': 'gone',
    });
  });

  it('asks each of 5,000 that are gone once, and again only after ten minutes or when one was back', async () => {
    put(names(10));
    const lost = Array.from({ length: 5_000 }, (_, index) => `p/lost${index}`);
    let clock = 0;
    const reader = source(() => clock);
    const described = async () => {
      service.calls.length = 0;
      const { readings, failure } = await reader.read(knownOf([...names(10), ...lost]), 'p/', signal);
      const gone = readings.filter(({ state }) => state === 'gone').length;
      return [failure, gone, service.calls.filter((action) => action === 'DescribeSecret').length];
    };
    expect(await described()).toEqual([null, 5_000, 5_000]);
    clock = 599_999;
    expect(await described()).toEqual([null, 5_000, 0]);
    put(['p/lost7']);
    expect(await described()).toEqual([null, 4_999, 0]);
    service.secrets.delete('p/lost7');
    expect(await described()).toEqual([null, 5_000, 1]);
    clock = 600_000;
    expect(await described()).toEqual([null, 5_000, 4_999]);
  }, 60_000);

  it('does not take a denied secret for gone, though it was gone a minute ago', async () => {
    put(names(1));
    service.deleted.set('p/user00000', 'forced');
    const reader = source();
    expect((await reader.read(knownOf(names(1)), 'p/', signal)).readings).toMatchObject([{ state: 'gone' }]);
    service.denied.add('p/user00000');
    expect((await reader.read(knownOf(names(1)), 'p/', signal)).readings).toMatchObject([
      { state: 'unread' },
    ]);
  });

  it('reads a batch to its last page', async () => {
    put(names(20));
    service.valuesPerPage = 7;
    const { readings, failure } = await source().read(knownOf(names(20)), 'p/', signal);
    expect(failure).toBeNull();
    expect(readings.map(({ state }) => state)).toEqual(Array(20).fill('unchanged'));
    expect(service.calls.toSorted()).toEqual([...Array(3).fill('BatchGetSecretValue'), 'ListSecrets']);
  });

  it('calls nothing gone when the second question fails', async () => {
    put(names(1));
    service.deleted.set('p/user00000', 'forced');
    service.fail = (action) =>
      action === 'DescribeSecret' ? { status: 400, type: 'AccessDeniedException' } : undefined;
    const { readings } = await source().read(knownOf(names(1)), 'p/', signal);
    expect(readings).toMatchObject([{ state: 'unread' }]);
  });

  it('still reads what it knows when listing fails part of the way, and says so', async () => {
    put(names(250));
    service.fail = (action, { NextToken }) =>
      action === 'ListSecrets' && NextToken === '200'
        ? { status: 400, type: 'AccessDeniedException' }
        : undefined;
    const { readings, failure } = await source().read(knownOf(names(30)), 'p/', signal);
    expect(failure?.message).toMatch(/^list secrets p\/\*/);
    expect(readings.map(({ state }) => state)).toEqual(Array(30).fill('unchanged'));
  });

  it('gets over being throttled on page 57 of 100', async () => {
    put(names(10_000));
    let throttled = 0;
    service.fail = (action, { NextToken }) => {
      if (action !== 'ListSecrets' || NextToken !== '5600' || throttled === 2) return undefined;
      throttled += 1;
      return { status: 400, type: 'ThrottlingException' };
    };
    const { readings, failure } = await source().read(new Map(), 'p/', signal);
    expect([failure, readings.length, throttled]).toEqual([null, 10_000, 2]);
  }, 60_000);

  it('loses nobody when page 57 of 100 is throttled without end, and lists again at the next poll', async () => {
    put(names(10_000));
    service.fail = (action, { NextToken }) =>
      action === 'ListSecrets' && NextToken === '5600'
        ? { status: 400, type: 'ThrottlingException' }
        : undefined;
    const known = knownOf(names(10_000).slice(9_000));
    const reader = source();
    const { readings, failure } = await reader.read(known, 'p/', signal);
    expect(failure?.message).toMatch(/^list secrets p\/\*/);
    expect(readings.map(({ state }) => state)).toEqual(Array(1_000).fill('unchanged'));
    service.fail = () => undefined;
    expect((await reader.read(known, 'p/', signal)).readings).toHaveLength(10_000);
  }, 60_000);

  it('tells denied from deleted in one batch of 20: 3 of them stay as they are', async () => {
    const list = names(20);
    put(list);
    for (const name of list.slice(3, 6)) service.denied.add(name);
    service.deleted.set(list[7] ?? '', 'scheduled');
    const { readings, failure } = await source().read(knownOf(list), 'p/', signal);
    expect(failure).toBeNull();
    const count = (wanted: string) => readings.filter(({ state }) => state === wanted).length;
    expect([count('unread'), count('gone'), count('unchanged')]).toEqual([3, 1, 16]);
    expect(readings.find(({ state }) => state === 'unread')).toMatchObject({
      secret: list[3],
      hint: expect.stringContaining('secretsmanager:GetSecretValue'),
    });
  });

  it('reports an outage and nobody as gone', async () => {
    put(names(50));
    service.fail = () => ({ status: 400, type: 'UnrecognizedClientException' });
    const { readings, failure } = await source().read(knownOf(names(50)), 'p/', signal);
    expect(readings).toEqual([]);
    expect(failure?.hint).toContain('role');
  });
});
