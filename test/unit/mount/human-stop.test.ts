import { expect, it } from 'vitest';
import { wasStoppedByHand } from '../../../agent/mount/human-stop.ts';
import type { Exec } from '../../../agent/os/exec.ts';

const STOPPING = 'de5b426a63be47a7b6ac3eaac82e2f6f';
const STOPPED = '9d1aaa27d60140bd96365438aad20286';
const STARTED = '39f53479d3a045ac8e11786248231fbf';

/** A journal in which `job` is the newest message about the unit, and this boot is `boot`. */
const journal =
  (job: object | undefined, boot = 'b1'): Exec =>
  async (argv) => {
    const message = argv.includes('UNIT=home-sftp.mount') ? job : { _BOOT_ID: boot };
    const stdout = message === undefined ? '' : `${JSON.stringify(message)}\n`;
    return { outcome: 'exited', code: 0, stdout, stderr: '' };
  };
const ask = (exec: Exec, mountedAt?: number) => wasStoppedByHand(exec, 'home-sftp.mount', mountedAt);
/** The end of a stop job at 5,000 ms since 1970. */
const ended = (result: string) =>
  journal({ MESSAGE_ID: STOPPED, _BOOT_ID: 'b1', JOB_RESULT: result, __REALTIME_TIMESTAMP: '5000000' });

it('respects a stop job of this boot', async () => {
  expect(await ask(journal({ MESSAGE_ID: STOPPING, _BOOT_ID: 'b1' }))).toBe(true);
});
it('respects one that is done, and one that still unmounts what is seen', async () => {
  expect(await ask(ended('done'), 4_999)).toBe(true);
  expect(await ask(ended('done'))).toBe(true);
  expect(await ask(journal({ MESSAGE_ID: STOPPING, _BOOT_ID: 'b1' }), 9_000)).toBe(true);
});
it('repairs what is lost after a stop that failed: that took nothing away', async () => {
  expect(await ask(ended('failed'), 4_999)).toBe(false);
  expect(await ask(ended('timeout'))).toBe(false);
});
it('repairs what is lost after something was mounted there again by hand', async () => {
  expect(await ask(ended('done'), 5_001)).toBe(false);
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
