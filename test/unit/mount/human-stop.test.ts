import { expect, it } from 'vitest';
import { wasStoppedByHand } from '../../../agent/mount/human-stop.ts';
import type { Exec } from '../../../agent/os/exec.ts';

const STOPPING = 'de5b426a63be47a7b6ac3eaac82e2f6f';
const STARTED = '39f53479d3a045ac8e11786248231fbf';

/** A journal in which `job` is the newest message about the unit, and this boot is `boot`. */
const journal =
  (job: object | undefined, boot = 'b1'): Exec =>
  async (argv) => {
    const message = argv.includes('UNIT=home-sftp.mount') ? job : { _BOOT_ID: boot };
    const stdout = message === undefined ? '' : `${JSON.stringify(message)}\n`;
    return { outcome: 'exited', code: 0, stdout, stderr: '' };
  };
const ask = (exec: Exec) => wasStoppedByHand(exec, 'home-sftp.mount');

it('respects a stop job of this boot', async () => {
  expect(await ask(journal({ MESSAGE_ID: STOPPING, _BOOT_ID: 'b1' }))).toBe(true);
});
it('repairs a bare umount, after which the newest job is still the start', async () => {
  expect(await ask(journal({ MESSAGE_ID: STARTED, _BOOT_ID: 'b1' }))).toBe(false);
});
it('mounts after a reboot, though the shutdown stopped every mount', async () => {
  expect(await ask(journal({ MESSAGE_ID: STOPPING, _BOOT_ID: 'b0' }))).toBe(false);
});
it('mounts where the journal knows nothing, or can’t be read', async () => {
  expect(await ask(journal(undefined))).toBe(false);
  expect(await ask(async () => ({ outcome: 'exited', code: 1, stdout: '', stderr: 'no' }))).toBe(false);
  expect(await ask(async () => ({ outcome: 'exited', code: 0, stdout: '{', stderr: '' }))).toBe(false);
});
