import { describe, expect, it } from 'vitest';
import { OperationError } from '../../../agent/operation-error.ts';
import type { Argv, Exec, ExecOptions, ExecResult } from '../../../agent/os/exec.ts';
import { createNotifier } from '../../../agent/os/notify.ts';
import { isUnitActive, queueStart, showUnit } from '../../../agent/os/systemd.ts';

const exited = (stdout: string, code = 0, stderr = ''): ExecResult => ({
  outcome: 'exited',
  code,
  stdout,
  stderr,
});

/** Answers every command alike and remembers them. */
function recorder(result: ExecResult) {
  const calls: { argv: Argv; options: ExecOptions | undefined }[] = [];
  const exec: Exec = async (argv, options) => {
    calls.push({ argv, options });
    return result;
  };
  return { exec, calls };
}

describe('showUnit', () => {
  it('reads properties, whatever their order and their values hold', async () => {
    const { exec } = recorder(exited('Result=success\nActiveState=active\nWhat=a=b\nOther=1\n'));
    expect(await showUnit(exec, 'x.mount', ['ActiveState', 'Result', 'What'])).toEqual({
      ActiveState: 'active',
      Result: 'success',
      What: 'a=b',
    });
  });

  it('gives an empty value for a property that is missing', async () => {
    const { exec } = recorder(exited('ActiveState=inactive\n'));
    expect(await showUnit(exec, 'x.mount', ['ActiveState', 'Job'])).toEqual({
      ActiveState: 'inactive',
      Job: '',
    });
  });

  it('throws when PID 1 does not answer', async () => {
    const { exec } = recorder({
      outcome: 'timeout',
      timeoutMs: 5000,
      stdout: '',
      stderr: '',
      reaped: Promise.resolve(),
    });
    await expect(showUnit(exec, 'x.mount', ['ActiveState'])).rejects.toThrow(OperationError);
  });

  it.each([
    ['active', true],
    ['reloading', true],
    ['activating', false],
    ['failed', false],
  ])('%s is up: %s', async (state, up) => {
    expect(await isUnitActive(recorder(exited(`ActiveState=${state}\n`)).exec, 'x.service')).toBe(up);
  });
});

describe('queueStart', () => {
  it('does not wait for the job, and takes a unit’s name for no option', async () => {
    const { exec, calls } = recorder(exited(''));
    await queueStart(exec, '-.mount');
    const [call] = calls;
    expect(call?.argv).toContain('--no-block');
    expect(call?.argv.slice(-2)).toEqual(['--', '-.mount']);
  });
});

describe('createNotifier', () => {
  it('feeds the watchdog for the agent itself, handing over the socket that children don’t inherit', async () => {
    const { exec, calls } = recorder(exited(''));
    await createNotifier(exec, { NOTIFY_SOCKET: '/run/notify', AWS_REGION: 'x' }).watchdog();
    expect(calls).toEqual([
      {
        argv: ['systemd-notify', `--pid=${process.pid}`, 'WATCHDOG=1'],
        options: expect.objectContaining({ env: { NOTIFY_SOCKET: '/run/notify' } }),
      },
    ]);
  });

  it('does nothing where no systemd started the agent', async () => {
    const { exec, calls } = recorder(exited('', 1, 'no socket'));
    const notifier = createNotifier(exec, {});
    await Promise.all([notifier.ready('x'), notifier.status('x'), notifier.stopping(), notifier.watchdog()]);
    expect(calls).toEqual([]);
  });

  it('reports a ping that failed', async () => {
    const { exec } = recorder(exited('', 1, 'Failed to notify'));
    await expect(createNotifier(exec, { NOTIFY_SOCKET: '/x' }).watchdog()).rejects.toThrow(
      /Failed to notify/,
    );
  });
});
