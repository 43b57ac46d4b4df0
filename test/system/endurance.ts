import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bed } from '../bed/boot.ts';
import { until } from '../bed/command.ts';
import { requirePrerequisites } from '../bed/prerequisites.ts';
import { AGENT, agentLog, bootWithProduct, productRpm, startAgent, waitHealthy } from '../bed/product.ts';
import { enduranceCount, enduranceFault } from './endurance-faults.ts';
import { judgeEndurance, renderEndurance, type Sample } from './endurance-verdict.ts';
import { productOf } from './kept-run.ts';

/**
 * `npm run test:system -- --endurance 1000`: so many faults of the mount, one after the other, on one agent in a container
 * (FUSE; periods of a second), and what the agent and the host have of everything that could pile up. A run of a
 * thousand writes docs/mount-endurance.md.
 */

const REPORT = join(import.meta.dirname, '../../docs/mount-endurance.md');
const MOUNT_POINT = '/home/sftp';
const WHOLE = 1000;
const SAMPLES = 10;
/** An attempt that hangs is cut off after 46 s. */
const FAULT_MS = 120_000;

/**
 * @param text how many faults
 * @returns the exit status: 0 when nothing piled up
 * @throws Error where it is no number of faults, and for a fault that was not recovered from
 */
export async function runEndurance(text: string, say: (text: string) => void): Promise<number> {
  const count = enduranceCount(text);
  requirePrerequisites();
  const rpm = await productRpm();
  const bed = await bootWithProduct(rpm);
  try {
    await startAgent(bed);
    await waitHealthy(bed, 60);
    const pid = Number(await bed.unit(AGENT, 'MainPID'));
    const began = performance.now();
    const measure = async (faults: number, times: readonly number[]) => {
      const minutes = Math.round((performance.now() - began) / 6_000) / 10;
      return { faults, minutes, ...(await sample(bed, pid)), medianSeconds: median(times) };
    };
    const samples: Sample[] = [await measure(0, [])];
    const kinds: Record<string, number> = {};
    let times: number[] = [];
    for (let done = 1; done <= count; done += 1) {
      const { title } = enduranceFault(done);
      kinds[title] = (kinds[title] ?? 0) + 1;
      times.push(await playFault(bed, done));
      if (done % Math.ceil(count / SAMPLES) !== 0 && done !== count) continue;
      samples.push(await measure(done, times));
      times = [];
      say(JSON.stringify(samples.at(-1)));
    }
    const survived = Number(await bed.unit(AGENT, 'MainPID')) === pid;
    const problems = judgeEndurance(samples, survived);
    const product = await productOf(rpm);
    const page = renderEndurance({ samples, problems, product, at: new Date().toISOString(), kinds });
    if (count >= WHOLE) await writeFile(REPORT, page);
    process.stdout.write(`${page}\n${count} faults, ${problems.length} problems\n`);
    return problems.length === 0 ? 0 : 1;
  } finally {
    await bed.shutdown();
  }
}

/** One fault, until partners are served by a mount that is not the one before. @returns seconds */
async function playFault(bed: Bed, number: number): Promise<number> {
  const began = performance.now();
  const before = await look(bed);
  await enduranceFault(number).play(bed);
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
async function look(bed: Bed): Promise<{ recoveries: number; serving: boolean; probesStuck: number }> {
  return JSON.parse(await bed.readFile('/run/s3files-sftp/status.json')).mount;
}

async function sample(bed: Bed, pid: number) {
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
  const [rss = 0, threads = 0, files = 0, children = 0, units = 0, ...rest] = text
    .trim()
    .split(/\s+/)
    .map(Number);
  const [tunnels = 0, stateFiles = 0, logFiles = 0, mounts = 0] = rest;
  const { probesStuck } = await look(bed);
  const residentMiB = Math.round(rss / 1024);
  return { residentMiB, threads, files, children, units, tunnels, stateFiles, logFiles, mounts, probesStuck };
}

function median(times: readonly number[]): number {
  const sorted = times.toSorted((one, other) => one - other);
  return Math.round((sorted[Math.floor(sorted.length / 2)] ?? 0) * 10) / 10;
}
