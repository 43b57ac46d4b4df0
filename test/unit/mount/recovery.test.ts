import { beforeEach, expect, it } from 'vitest';
import { parseConfig } from '../../../agent/config.ts';
import { createLog } from '../../../agent/log.ts';
import type { Sight } from '../../../agent/mount/identity.ts';
import { createRecovery, type Recovery } from '../../../agent/mount/recovery.ts';
import type { Exec } from '../../../agent/os/exec.ts';

const { mount } = parseConfig(
  '[mount]\nfile_system_id = "fs-0123456789abcdef0"\n[uploads]\nbucket = "bucket"\n',
);
const ABSENT: Sight = { kind: 'absent' };
const OURS: Sight = {
  kind: 'ours',
  mountId: 9,
  depth: 1,
  readOnly: false,
  port: 20123,
  proxyPid: 7,
  proof: '0:45 / nfs4 20123',
};
const UNNAMED: Sight = { kind: 'foreign', mountId: 9, depth: 1, detail: 'no state file says which' };

/** What `systemctl show` says of the mount unit. */
let unit: string;
let recovery: Recovery;

beforeEach(async () => {
  const exec: Exec = async (argv) => ({
    outcome: 'exited',
    code: 0,
    stdout: argv[1] === 'show' ? unit : '',
    stderr: '',
  });
  recovery = createRecovery(
    () => mount,
    { stopServing: async () => {}, mountId: async () => 9, prepareMount: async () => {}, cutOff: () => {} },
    {
      exec,
      log: createLog('info', { write: () => {} }),
      now: () => 1_700_000_000_000,
      monotonicMs: () => 0,
      random: () => 0,
    },
  );
  await recovery.step('absent', ABSENT);
  await recovery.step('absent', ABSENT);
  expect(recovery.state()).toMatchObject({ mounting: true, diagnosis: undefined });
});

it('does not call an attempt failed that mounted between the look and the question', async () => {
  unit = 'ActiveState=active\nSubState=mounted\nJob=\n';
  await recovery.followMounting(ABSENT);
  expect(recovery.state()).toMatchObject({ mounting: true, diagnosis: undefined });
  await recovery.followMounting(OURS);
  expect(recovery.state()).toMatchObject({ mounting: false, diagnosis: undefined });
});

it('waits for the helper’s state file, which comes after the mount', async () => {
  unit = 'ActiveState=active\nSubState=mounting-done\nJob=7\n';
  for (let i = 0; i < 5; i += 1) await recovery.followMounting(UNNAMED);
  expect(recovery.state()).toMatchObject({ mounting: true, diagnosis: undefined });
  await recovery.followMounting(OURS);
  expect(recovery.state()).toMatchObject({ mounting: false, diagnosis: undefined });
});

it('gives up what is mounted and stays somebody else’s', async () => {
  unit = 'ActiveState=active\nSubState=mounted\nJob=\n';
  await recovery.followMounting(UNNAMED);
  await recovery.followMounting(UNNAMED);
  expect(recovery.state()).toMatchObject({ mounting: false, diagnosis: { detail: UNNAMED.detail } });
});

it('fails at once where the helper ended without a mount', async () => {
  unit = 'ActiveState=failed\nSubState=failed\nJob=\nResult=protocol\n';
  await recovery.followMounting(ABSENT);
  expect(recovery.state()).toMatchObject({
    mounting: false,
    diagnosis: { detail: expect.stringMatching(/nothing was mounted/) },
  });
});
