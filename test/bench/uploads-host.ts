import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bed } from '../bed/boot.ts';
import type { Login } from '../bed/clients.ts';
import { sleep, until } from '../bed/command.ts';
import { requirePrerequisites } from '../bed/prerequisites.ts';
import {
  AGENT,
  accountReady,
  agentStatus,
  bootWithProduct,
  PREFIX,
  productRpm,
  startAgent,
  waitHealthy,
} from '../bed/product.ts';
import { BUCKET, FILE_SYSTEM } from '../bed/s3-files.ts';
import { contentOf } from '../storm/random.ts';
import type { Report, Suite } from './report.ts';

/** The periods of a real host: what is measured is the product as it is delivered. */
const CONFIG = `
[mount]
file_system_id = "${FILE_SYSTEM}"
[uploads]
bucket = "${BUCKET}"
`;
const USERS = 10;
const SESSIONS = 1_000;
const PARALLEL_LOGINS = 16;
const MOST_MEGABYTES = 110;

const STATE_DISK_KIB = 65_536;

const PAIRS = 6;
const FILES = 12;
const FILE_BYTES = 24 * 1024 * 1024;
const LEAST_PERCENT = 98;

/** What the agent takes from a real host: upload throughput beside it and without it, and memory under many sessions. */
export const UPLOADS_HOST: Suite = { name: 'uploads-host', run };

async function run(report: Report): Promise<void> {
  requirePrerequisites();
  const bed = await bootWithProduct(await productRpm(), CONFIG);
  try {
    const logins: Login[] = [];
    for (let number = 1; number <= USERS; number += 1)
      logins.push({ user: `partner${number}`, key: await bed.clients.key(`partner${number}`) });
    const users = Object.fromEntries(logins.map(({ user, key }) => [user, { publicKeys: [key.publicKey] }]));
    await bed.aws.putSecret(`${PREFIX}all`, { users });
    // On a real host partners' bytes go over the network: its own disk, which the agent syncs, has nothing to do with them.
    await bed.faults.smallDisk('/var/lib/s3files-sftp', STATE_DISK_KIB);
    await startAgent(bed);
    await waitHealthy(bed);
    for (const { user } of logins) await accountReady(bed, user);
    await measureThroughput(bed, logins[0] as Login, report);
    await measureMemory(bed, logins, report);
  } finally {
    await bed.shutdown();
  }
}

/** The same sshd serves in both cases: it outlives the agent. In turns, so that what the machine does hits both. */
async function measureThroughput(bed: Bed, login: Login, { figure, note }: Report): Promise<void> {
  // The stand-in's exports would take the machine's time at random moments.
  await bed.s3files.pauseExport();
  const outbox = await mkdtemp('/dev/shm/outbox-');
  const commands: string[] = [];
  for (let number = 0; number < FILES; number += 1) {
    const path = join(outbox, `${number}.bin`);
    await writeFile(path, contentOf({ seed: number + 1, size: FILE_BYTES }));
    commands.push(`put ${path} ${number}.bin`);
  }
  const upload = async (): Promise<number> => {
    const began = performance.now();
    const { code, stderr } = await bed.clients.sftp(login, commands);
    if (code !== 0) throw new Error(`the upload failed: ${stderr}`);
    return (FILES * FILE_BYTES) / 1e6 / ((performance.now() - began) / 1000);
  };
  const rates = { with: [] as number[], without: [] as number[] };
  try {
    await upload();
    for (let pair = 1; pair <= PAIRS; pair += 1) {
      note(`uploads with the agent and without it, ${pair} of ${PAIRS}`);
      const order = pair % 2 === 0 ? (['with', 'without'] as const) : (['without', 'with'] as const);
      for (const which of order) {
        await bed.run(['systemctl', which === 'with' ? 'start' : 'stop', AGENT]);
        if (which === 'with') await settledDown(bed);
        // Starting and stopping are no part of it.
        await sleep(5_000);
        const rate = await upload();
        note(`${which} the agent: ${rate.toFixed(1)} MB/s`);
        rates[which].push(rate);
      }
    }
  } finally {
    await rm(outbox, { recursive: true });
  }
  await bed.run(['systemctl', 'start', AGENT]);
  await waitHealthy(bed);
  const [beside, alone] = [median(rates.with), median(rates.without)];
  figure({ name: 'upload throughput without the agent', value: alone, unit: 'MB/s' });
  figure({ name: 'upload throughput with the agent', value: beside, unit: 'MB/s' });
  figure({
    name: 'upload throughput with the agent, of that without',
    value: (100 * beside) / alone,
    unit: '%',
    atLeast: LEAST_PERCENT,
  });
  await bed.s3files.resumeExport();
}

async function measureMemory(bed: Bed, logins: readonly Login[], { figure, note }: Report): Promise<void> {
  note(`${SESSIONS} sessions log in`);
  const pid = await bed.unit(AGENT, 'MainPID');
  let highest = 0;
  const look = async () => {
    const text = await bed.readFile(`/proc/${pid}/status`);
    highest = Math.max(highest, Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024);
  };
  const open: Array<{ close(): Promise<void>; end(): void }> = [];
  const waiting = Array.from({ length: SESSIONS }, (_, index) => index).values();
  const logIn = async () => {
    for (const index of waiting) {
      const session = await bed.clients.connect(logins[index % logins.length] as Login);
      const file = await session.begin(
        `/upload/session-${index}.bin`,
        contentOf({ seed: index + 1, size: 10_000 }),
      );
      open.push({ close: file.close, end: session.end });
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_LOGINS }, logIn));
  const counted = async () => (await agentStatus(bed)).uploads.sessions >= SESSIONS;
  await until('the agent to know all sessions', counted, { timeoutMs: 60_000, everyMs: 500 });
  for (let second = 0; second < 10; second += 1) {
    await look();
    await sleep(1_000);
  }
  figure({
    name: `agent’s main process with ${SESSIONS} sessions that upload`,
    value: highest / 1e6,
    unit: 'MB',
    atMost: MOST_MEGABYTES,
  });
  note('all of them end');
  for (const { close, end } of open) {
    await close();
    end();
  }
  const arrived = async () => {
    await look();
    return (await agentStatus(bed)).uploads.completed >= SESSIONS;
  };
  await until('all uploads to be counted', arrived, { timeoutMs: 120_000, everyMs: 1_000 });
  figure({ name: 'its highest, until all were counted', value: highest / 1e6, unit: 'MB' });
}

/** Waits until an agent that has just started has done all that it does once: its own login, and the first look. */
async function settledDown(bed: Bed): Promise<void> {
  await waitHealthy(bed);
  const done = async () => {
    const { sessionLog, uploads } = await agentStatus(bed);
    return sessionLog.state === 'heard' && uploads.witness.state === 'watching';
  };
  await until('the agent to have settled down', done, { timeoutMs: 60_000, everyMs: 500 });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[middle - 1 + (sorted.length % 2)], sorted[middle]];
  return (low + high) / 2;
}
