import type { Bed } from '../bed/boot.ts';

const MOUNT_POINT = '/home/sftp';

/** A way to lose the mount that is over by itself, or by what the agent does. */
export interface EnduranceFault {
  readonly title: string;
  play(bed: Bed): Promise<void>;
}

/** Over in two or three seconds each. */
const QUICK: readonly [EnduranceFault, EnduranceFault, EnduranceFault] = [
  { title: '`umount -l`', play: async ({ faults }) => await faults.umount(MOUNT_POINT, '-l') },
  { title: 'the proxy killed', play: async ({ faults }) => await faults.killProxy() },
  {
    title: 'another file system mounted over it',
    play: async ({ faults }) => await faults.mountOver(MOUNT_POINT),
  },
];
/** Every probe hangs and is killed until the agent ends the proxy. */
const HANGS: EnduranceFault = {
  title: 'the proxy stopped',
  play: async ({ faults }) => await faults.stopProxy(),
};
const HANGS_EVERY = 20;
/** The first attempt hangs with its tunnel and state file made, and is cut off by the agent after 46 s. */
const HELPER_HANGS: EnduranceFault = {
  title: 'the mount lost, and the helper hanging',
  play: async ({ s3files, faults }) => {
    await s3files.faultMount('hang-mounting', 1);
    await faults.umount(MOUNT_POINT, '-l');
  },
};
const HELPER_HANGS_EVERY = 200;

/** The faults of a run in turn; so rare are the slow ones that a thousand take about three quarters of an hour. */
export function enduranceFault(number: number): EnduranceFault {
  if (number % HELPER_HANGS_EVERY === HELPER_HANGS_EVERY / 4) return HELPER_HANGS;
  if (number % HANGS_EVERY === HANGS_EVERY / 2) return HANGS;
  return QUICK[number % QUICK.length] ?? QUICK[0];
}

/** @returns how many faults are to be played @throws Error for anything but a whole number from 1 */
export function enduranceCount(text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) {
    throw new Error(`--endurance: ${JSON.stringify(text)} is no number of faults; a whole run has 1000`);
  }
  return Number(text);
}
