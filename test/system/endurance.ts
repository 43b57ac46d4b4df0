import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bed } from '../bed/boot.ts';
import { until } from '../bed/command.ts';
import { AGENT, agentLog, bootWithProduct, productRpm, startAgent, waitHealthy } from '../bed/product.ts';

/**
 * `npm run test:system -- --endurance 1000`: so many faults of the mount, one after the other, on one agent in a container
 * (FUSE; periods of a second), and what the agent and the host have of everything that could pile up. A run of a
 * thousand writes docs/mount-endurance.md.
 */

const REPORT = join(import.meta.dirname, '../../docs/mount-endurance.md');
const MOUNT_POINT = '/home/sftp';
const WHOLE = 1000;
const SAMPLES = 10;
/** The agent's memory may stray by so much over its least from the second sample on. */
const MEMORY_STRAYS = 1.2;
const FAULT_MS = 60_000;

interface Sample {
  readonly faults: number;
  readonly residentMiB: number;
  readonly threads: number;
  readonly files: number;
  readonly children: number;
  readonly units: number;
  readonly tunnels: number;
  readonly stateFiles: number;
  readonly logFiles: number;
  readonly mounts: number;
  /** Median from fault to being served again, over the faults since the last sample. */
  readonly medianSeconds: number;
}

/** Ways to lose a mount that are over in a moment, so that a thousand fit into an hour. */
const FAULTS: ReadonlyArray<(bed: Bed) => Promise<void>> = [
  async ({ faults }) => await faults.umount(MOUNT_POINT, '-l'),
  async ({ faults }) => await faults.killProxy(),
  async ({ faults }) => await faults.mountOver(MOUNT_POINT),
];

/** @returns the exit status: 0 when nothing piled up */
export async function runEndurance(count: number, say: (text: string) => void): Promise<number> {
  const bed = await bootWithProduct(await productRpm());
  try {
    await startAgent(bed);
    await waitHealthy(bed, 60);
    const pid = Number(await bed.unit(AGENT, 'MainPID'));
    const samples: Sample[] = [await sample(bed, pid, 0, [])];
    let times: number[] = [];
    for (let done = 1; done <= count; done += 1) {
      times.push(await playFault(bed, done));
      if (done % Math.ceil(count / SAMPLES) !== 0) continue;
      samples.push(await sample(bed, pid, done, times));
      times = [];
      say(JSON.stringify(samples.at(-1)));
    }
    const survived = Number(await bed.unit(AGENT, 'MainPID')) === pid;
    const problems = judge(samples, survived);
    const text = render(samples, problems);
    if (count >= WHOLE) await writeFile(REPORT, text);
    process.stdout.write(`${text}\n${count} faults, ${problems.length} problems\n`);
    return problems.length === 0 ? 0 : 1;
  } finally {
    await bed.shutdown();
  }
}

/** One fault, until partners are served by a mount that is not the one before. @returns seconds */
async function playFault(bed: Bed, number: number): Promise<number> {
  const began = performance.now();
  const before = await look(bed);
  await FAULTS[number % FAULTS.length]?.(bed);
  const isBack = async () => {
    const now = await look(bed);
    return now.recoveries > before.recoveries && now.serving;
  };
  await until(`recovery ${number}`, isBack, { timeoutMs: FAULT_MS, everyMs: 150 }).catch(async (cause) => {
    throw new Error(`fault ${number} was not recovered from:\n${await agentLog(bed)}`, { cause });
  });
  return (performance.now() - began) / 1000;
}

/** The status file itself: the command would start a process of Node.js each time. */
async function look(bed: Bed): Promise<{ recoveries: number; serving: boolean }> {
  return JSON.parse(await bed.readFile('/run/s3files-sftp/status.json')).mount;
}

async function sample(bed: Bed, pid: number, faults: number, times: number[]): Promise<Sample> {
  // The helper's watchdog tidies four seconds after an unmount here, and the agent once a minute.
  const script = `
    grep -E '^(VmRSS|Threads):' /proc/$1/status | tr -dc '0-9\\n'
    ls /proc/$1/fd | wc -l
    pgrep -c -P $1 || true
    systemctl list-units --all --no-legend --plain 's3files-sftp-*' 'run-*' | wc -l
    pgrep -c -x efs-proxy || true
    ls -A /run/efs | wc -l
    ls /var/log/amazon/efs | wc -l
    grep -c ' ${MOUNT_POINT} ' /proc/1/mountinfo`;
  const text = await bed.run(['sh', '-c', script, 'sh', String(pid)]);
  const [
    rss = 0,
    threads = 0,
    files = 0,
    children = 0,
    units = 0,
    tunnels = 0,
    stateFiles = 0,
    logFiles = 0,
    mounts = 0,
  ] = text.trim().split(/\s+/).map(Number);
  const sorted = times.toSorted((one, other) => one - other);
  return {
    faults,
    residentMiB: Math.round(rss / 1024),
    ...{ threads, files, children, units, tunnels, stateFiles, logFiles, mounts },
    medianSeconds: Math.round((sorted[Math.floor(sorted.length / 2)] ?? 0) * 10) / 10,
  };
}

/** What piled up, one sentence each. The first sample is a fresh agent's, so the second is where it begins to count. */
function judge(samples: readonly Sample[], survived: boolean): string[] {
  const [, first, ...later] = samples;
  if (first === undefined) return [];
  const problems: string[] = survived ? [] : ['the agent was restarted'];
  const least = Math.min(first.residentMiB, ...later.map(({ residentMiB }) => residentMiB));
  const last = samples.at(-1) ?? first;
  if (last.residentMiB > least * MEMORY_STRAYS)
    problems.push(`memory grew from ${least} to ${last.residentMiB} MiB`);
  const bounds = {
    threads: 0,
    files: 10,
    children: 4,
    units: 4,
    tunnels: 6,
    stateFiles: 24,
    mounts: 0,
  } as const;
  for (const [what, room] of Object.entries(bounds)) {
    const key = what as keyof typeof bounds;
    if (last[key] > first[key] + room) problems.push(`${what}: from ${first[key]} to ${last[key]}`);
  }
  return problems;
}

function render(samples: readonly Sample[], problems: readonly string[]): string {
  const rows = samples.map((each) => `| ${Object.values(each).join(' | ')} |`);
  const verdict = problems.length === 0 ? 'Nothing piled up.' : `Piled up: ${problems.join('; ')}.`;
  return `# A thousand faults of the mount

<!-- Written by \`npm run test:system -- --endurance ${WHOLE}\`; changes here are lost. -->

One agent in a container, with FUSE in the place of NFS and periods of a second: \`umount -l\`, the proxy killed, another
file system mounted over it, in turn. Each is repaired before the next. Logs of dead tunnels are removed once they are
ten minutes old, but for the newest five. ${verdict}

| faults | agent, MiB | threads | open files | children | units | tunnels | state files | log files | mounts | median until served, s |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
${rows.join('\n')}
`;
}
