import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask } from '../../../agent/commands/control-client.ts';
import type { ControlHandlers } from '../../../agent/commands/control-protocol.ts';
import { serveControl } from '../../../agent/commands/control-server.ts';
import { OperationError } from '../../../agent/operation-error.ts';

let directory: string;
let path: string;
let stop: AbortController;

/** Handlers of which only the named ones are asked. */
const handlers = (some: Partial<ControlHandlers>) => some as ControlHandlers;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'control-'));
  path = join(directory, 'control.sock');
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await rm(directory, { recursive: true });
});

describe('the control socket', () => {
  it('hands arguments to the handler and its result back', async () => {
    const report = {
      lastSuccessAt: 1,
      active: 2,
      preparing: 0,
      waiting: 0,
      held: 0,
      problems: [],
      heldPlan: null,
    };
    const seen: unknown[] = [];
    const sync: ControlHandlers['sync'] = async (args) => {
      seen.push(args);
      return report;
    };
    await serveControl(path, handlers({ sync }), stop.signal);
    expect(await ask('sync', { approve: 'abc' }, path)).toEqual(report);
    expect(seen).toEqual([{ approve: 'abc' }]);
  });

  it('is for root alone', async () => {
    await serveControl(path, handlers({}), stop.signal);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('carries an error with its hint', async () => {
    const refuse = () => {
      throw new OperationError(
        { op: 'approve', target: 'plan abc', hint: 'look at s3files-sftp plan' },
        'another plan is held',
      );
    };
    await serveControl(path, handlers({ sync: refuse }), stop.signal);
    const refused = ask('sync', { approve: 'abc' }, path);
    await expect(refused).rejects.toMatchObject({ hint: 'look at s3files-sftp plan' });
    await expect(refused).rejects.toThrow(/another plan is held/);
  });

  it('refuses what is no command, inherited names included', async () => {
    await serveControl(path, handlers({}), stop.signal);
    await expect(ask('toString' as 'status', {}, path)).rejects.toThrow(/toString/);
  });

  it('takes over the socket of an agent that was killed', async () => {
    await serveControl(path, handlers({}), stop.signal);
    const next = new AbortController();
    const maintenance: ControlHandlers['maintenance'] = async () => ({ health: 'healthy' }) as never;
    await serveControl(path, handlers({ maintenance }), next.signal);
    expect(await ask('maintenance', { on: true }, path)).toEqual({ health: 'healthy' });
    next.abort();
  });

  it('says that the agent is not running', async () => {
    await expect(ask('status', {}, path)).rejects.toMatchObject({
      hint: expect.stringContaining('not running'),
    });
  });
});
