import { expect, test } from 'vitest';
import { batchClient, type Dialect } from '../storm/batch-client.ts';
import type { Step } from '../storm/step.ts';

const REFUSED = 'put: /etc/hostname: Access failed: Permission denied (/forbidden)';
const GONE = 'put: /etc/hostname: Fatal error: max-retries exceeded (Connection refused)';

const login = { user: 'partner1', key: { path: '/nowhere', publicKey: '' } };
const server = {
  killSessions: async () => {},
  sessionsGone: async () => {},
  sizeOf: async () => undefined,
};
const trespass: Step = { kind: 'trespass', path: '/forbidden' };
const get: Step = { kind: 'get', path: '/upload/a.csv' };

/** Bash as the client, which stops at the first command that fails. @param said of what is forbidden, if it fails */
function dialect(said: string | undefined): Dialect {
  const put = said === undefined ? ['true'] : [`echo '${said}' >&2`, 'false'];
  return {
    argv: () => ['bash', '-e'],
    preamble: () => [],
    commands: ({ kind }) => (kind === 'trespass' ? put : ['true']),
    say: (text) => `echo ${text}`,
    sendsOnlyTheRest: false,
    refusal: /: Access failed: (Failure|Permission denied)/,
    timeoutMs: 10_000,
  };
}

async function visit(said: string | undefined, steps: readonly Step[]) {
  const events: string[] = [];
  const progress = {
    began: (index: number) => events.push(`began ${index}`),
    done: (index: number) => events.push(`done ${index}`),
  };
  const failure = await batchClient(dialect(said))(login as never, steps, progress, server).then(
    () => null,
    (error: Error) => error.message,
  );
  return { events, failure };
}

test('a refusal is the server’s word, and what comes after it is done', async () => {
  const { events, failure } = await visit(REFUSED, [get, trespass, get]);
  expect(failure).toBeNull();
  expect(events).toEqual(['began 0', 'done 0', 'began 1', 'done 1', 'began 2', 'done 2']);
});

test('a connection that is gone is no refusal', async () => {
  const { events, failure } = await visit(GONE, [get, trespass, get]);
  expect(failure).toBe(`exit 1: ${GONE}`);
  expect(events).toEqual(['began 0', 'done 0', 'began 1']);
});

test('what ought to be refused and was not is told', async () => {
  const { events, failure } = await visit(undefined, [trespass, get]);
  expect(failure).toBe('trespass was not refused');
  expect(events).toEqual(['began 0']);
});
