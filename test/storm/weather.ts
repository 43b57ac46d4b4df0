import type { Bed } from '../bed/boot.ts';
import { sleep, until } from '../bed/command.ts';
import { AGENT, agentStatus, SSHD, waitHealthy } from '../bed/product.ts';
import { FILE_SYSTEM } from '../bed/s3-files.ts';
import { SMALL_DIRECTORY } from './plan.ts';
import type { Random } from './random.ts';
import type { Outage } from './truth.ts';

/** What goes wrong meanwhile, one thing after another. */
export interface Weather {
  /** Goes on until `calm`; rejects when the host does not recover. */
  readonly ended: Promise<void>;
  /** Lets the fault under way end and be recovered from, and starts no other. */
  calm(): void;
  /** What happened, in order. */
  readonly diary: readonly string[];
  readonly outages: readonly Outage[];
}

const STATE_DIRECTORY = '/var/lib/s3files-sftp';
const PARTNER_JOURNALD = 'systemd-journald@s3files-sftp.service';
const SMALL_DISK_KIB = 256;
const STATE_DISK_KIB = 65_536;

type Fault = (bed: Bed, random: Random, users: readonly string[]) => Promise<void>;

const FAULTS: Readonly<Record<string, Fault>> = {
  'agent killed': async ({ faults }) => {
    await faults.killMain(AGENT);
  },
  'agent killed twice': async (bed, random) => {
    const killed = await bed.faults.killMain(AGENT);
    const isNew = async () => ![0, killed].includes(Number(await bed.unit(AGENT, 'MainPID')));
    await until('a new agent', isNew, { timeoutMs: 20_000 });
    await sleep(random.below(700));
    await bed.faults.killMain(AGENT);
  },
  'agent restarted': async ({ run }) => {
    await run(['systemctl', 'restart', AGENT]);
  },
  'agent stopped for a while': async ({ run }, random) => {
    await run(['systemctl', 'stop', AGENT]);
    await sleep(random.between(500, 4_000));
    await run(['systemctl', 'start', AGENT]);
  },
  'partners’ journald restarted': async ({ run }) => {
    await run(['systemctl', 'restart', PARTNER_JOURNALD]);
  },
  'host’s journald restarted': async ({ run }) => {
    await run(['systemctl', 'restart', 'systemd-journald.service']);
  },
  'journal rotated': async ({ run }) => {
    await run(['journalctl', '--namespace=s3files-sftp', '--rotate']);
  },
  'journal rotated while the agent is away': async ({ run }) => {
    await run(['systemctl', 'stop', AGENT]);
    await run(['journalctl', '--namespace=s3files-sftp', '--rotate']);
    await sleep(500);
    await run(['journalctl', '--namespace=s3files-sftp', '--rotate']);
    await run(['systemctl', 'start', AGENT]);
  },
  'S3 throttled': async ({ aws }) =>
    await aws.fault({ operation: 'HeadObject', kind: 'throttle', count: 30 }),
  'S3 breaks off': async ({ aws }) => await aws.fault({ operation: 'HeadObject', kind: 'cut', count: 10 }),
  'CloudWatch throttled': async ({ aws }) =>
    await aws.fault({ operation: 'PutMetricData', kind: 'throttle', count: 5 }),
  'CloudWatch’s answer lost': async ({ aws }) =>
    await aws.fault({ operation: 'PutMetricData', kind: 'lose-answer', count: 1 }),
  'AWS away': async ({ aws }, random) => {
    await aws.unreachable();
    await sleep(random.between(1_000, 6_000));
    await aws.reachable();
  },
  'mount hangs': async (bed) => await loseMount(bed, bed.faults.stopProxy),
  'mount dies': async (bed) => await loseMount(bed, bed.faults.killProxy),
  'sshd restarted': async ({ run }) => {
    await run(['systemctl', 'restart', SSHD]);
  },
  'sshd killed': async ({ faults }) => {
    await faults.killMain(SSHD);
  },
  'sessions killed': async ({ exec }, random, users) => {
    for (let round = 0; round < 3; round += 1) await exec(['pkill', '-KILL', '-u', random.pick(users)]);
  },
  'state disk full': async ({ faults }, random) => {
    await faults.fillDisk(STATE_DIRECTORY);
    await sleep(random.between(1_000, 4_000));
    await faults.freeDisk(STATE_DIRECTORY);
  },
};

/**
 * The status may say healthy for a moment still: over is what was recovered from. An agent that was just started counts
 * from none, and the status may be its predecessor's.
 */
async function loseMount(bed: Bed, strike: () => Promise<void>): Promise<void> {
  const before = await agentStatus(bed);
  await strike();
  const over = async () => {
    const { pid, mount } = await agentStatus(bed);
    return mount.recoveries > (pid === before.pid ? before.mount.recoveries : 0);
  };
  await until('the mount to be recovered', over, { timeoutMs: 90_000, everyMs: 300 });
}

/** Disks that can be filled: the agent's state, and one directory of each partner's. Before the agent is started. */
export async function prepareDisks(bed: Bed): Promise<void> {
  await bed.faults.smallDisk(STATE_DIRECTORY, STATE_DISK_KIB);
}

export async function prepareSmallDirectory(bed: Bed, user: string): Promise<void> {
  // Behind the mount, as its daemon sees it; see start_proxy in bed/stand-in/mount.s3files.
  const path = `/srv/s3files,fuse/${FILE_SYSTEM}/${user}${SMALL_DIRECTORY}`;
  await bed.run(['install', '-d', '-o', user, '-g', user, path]);
  await bed.run(['mount', '-t', 'tmpfs', '-o', `size=${SMALL_DISK_KIB}k`, 'small', path]);
  await bed.run(['chown', `${user}:${user}`, path]);
}

/**
 * @param restMs the longest rest between two faults
 * @param special faults of which the truth has to know; the first that come, after one other
 */
export function startWeather(
  bed: Bed,
  random: Random,
  users: readonly string[],
  restMs: number,
  special: Readonly<Record<string, () => Promise<void>>>,
): Weather {
  const faults: Readonly<Record<string, Fault>> = { ...FAULTS, ...special };
  const diary: string[] = [];
  const outages: Outage[] = [];
  let calm = false;
  const run = async () => {
    const usual = shuffled(random, Object.keys(FAULTS));
    const first = usual.pop() ?? '';
    let deck = [...usual, ...Object.keys(special), first];
    while (!calm) {
      await sleep(random.below(restMs));
      if (calm) break;
      // Each of them once before any comes again.
      if (deck.length === 0) deck = shuffled(random, Object.keys(faults));
      const name = deck.pop() ?? '';
      diary.push(`${new Date().toISOString().slice(11, 23)} ${name}`);
      const from = Date.now();
      await faults[name]?.(bed, random, users);
      if (name.startsWith('mount ')) outages.push({ from, to: Date.now() });
      await sleep(random.below(1_500));
      await waitHealthy(bed, 90);
    }
    await bed.aws.clearFaults();
    await waitHealthy(bed, 90);
  };
  return {
    ended: run(),
    calm: () => {
      calm = true;
    },
    diary,
    outages,
  };
}

function shuffled<T>(random: Random, from: readonly T[]): T[] {
  const left = [...from];
  const deck: T[] = [];
  while (left.length > 0) deck.push(...left.splice(random.below(left.length), 1));
  return deck;
}
