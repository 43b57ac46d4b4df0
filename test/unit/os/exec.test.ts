import { describe, expect, it } from 'vitest';
import { OperationError } from '../../../agent/operation-error.ts';
import { exec } from '../../../agent/os/exec.ts';
import { execOk } from '../../../agent/os/exec-ok.ts';

describe('exec', () => {
  it('hands arguments over as they are, never through a shell', async () => {
    const result = await exec(['printf', '%s|', '$HOME', 'a b', ';id', '-n\n']);
    expect(result).toMatchObject({ outcome: 'exited', code: 0, stdout: '$HOME|a b|;id|-n\n|' });
  });

  it('feeds standard input', async () => {
    expect(await exec(['cat'], { input: 'né\n' })).toMatchObject({ stdout: 'né\n' });
  });

  it('survives a child that never reads its input', async () => {
    expect(await exec(['true'], { input: 'x'.repeat(1_000_000) })).toMatchObject({
      outcome: 'exited',
      code: 0,
    });
  });

  it('gives children a clean environment', async () => {
    process.env.AWS_SECRET_ACCESS_KEY = 'do not leak';
    const result = await exec(['env']);
    delete process.env.AWS_SECRET_ACCESS_KEY;
    expect(result).toMatchObject({ stdout: expect.not.stringContaining('do not leak') });
  });

  it('kills a child at its deadline and says so, with what it had written', async () => {
    const began = performance.now();
    const result = await exec(['sh', '-c', 'echo begun; exec sleep 60'], { timeoutMs: 200 });
    expect(performance.now() - began).toBeLessThan(2000);
    expect(result).toMatchObject({ outcome: 'timeout', stdout: 'begun\n' });
    if (result.outcome === 'timeout') await result.reaped;
  });

  it('tells a signal and a missing program apart from an exit', async () => {
    expect(await exec(['sh', '-c', 'kill -TERM $$'])).toMatchObject({
      outcome: 'signaled',
      signal: 'SIGTERM',
    });
    expect(await exec(['/nonexistent'])).toMatchObject({ outcome: 'unstartable' });
  });

  it('cuts endless output and lets the child go on', async () => {
    const result = await exec(['sh', '-c', 'yes | head -c 3000000; echo end >&2'], { maxOutputBytes: 1000 });
    expect(result).toMatchObject({ outcome: 'exited', code: 0, stderr: 'end\n' });
    if (result.outcome === 'exited') expect(result.stdout).toHaveLength(1000);
  });

  it('ends a child when the signal is aborted', async () => {
    const stop = new AbortController();
    const pending = exec(['sleep', '60'], { signal: stop.signal });
    stop.abort();
    expect(await pending).toMatchObject({ outcome: 'timeout' });
  });
});

describe('execOk', () => {
  it('throws with the command, its ending and its last words', async () => {
    const failing = execOk(exec, ['sh', '-c', 'echo first >&2; echo last >&2; exit 3'], { hint: 'mend it' });
    await expect(failing).rejects.toThrow(OperationError);
    await expect(failing).rejects.toMatchObject({
      message: expect.stringMatching(/exit 3: last$/),
      hint: 'mend it',
    });
  });
});
