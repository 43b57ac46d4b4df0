import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bed } from '../bed/boot.ts';
import { until } from '../bed/command.ts';
import { AGENT, agentLog, agentStatus, bootWithProduct, QUICK_CONFIG } from '../bed/product.ts';
import { pythonWithParamiko } from '../bed/python.ts';
import { enterPartners } from './enter-partners.ts';
import { gatherEvidence } from './evidence.ts';
import { createGate } from './gate.ts';
import { lftpClient } from './lftp-client.ts';
import { opensshClient } from './openssh-client.ts';
import { paramikoClient } from './paramiko-client.ts';
import { filesOf, makeVisits, serverSideOf } from './partner.ts';
import { planVisits } from './plan.ts';
import { createRandom } from './random.ts';
import { scpClient } from './scp-client.ts';
import { ssh2Client } from './ssh2-client.ts';
import { type Client, type ClientKind, uploadsIn } from './step.ts';
import { emptyTruth, type Truth } from './truth.ts';
import { vacuums } from './vacuum.ts';
import { disagreements } from './verdict.ts';
import { startWeather } from './weather.ts';

export interface StormOptions {
  readonly rpm: string;
  readonly seed: number;
  readonly uploads: number;
  readonly users: number;
  /** Partners at work at once. */
  readonly parallel: number;
  /** Longest rest between two faults. */
  readonly restMs: number;
  readonly note: (text: string) => void;
}

export interface StormResult {
  readonly disagreements: readonly string[];
  readonly truth: Truth;
  readonly planned: number;
  readonly diary: readonly string[];
  readonly summary: Readonly<Record<string, number>>;
}

/** Where the agent's log of a storm that failed is left. */
export const STORM_LOG = join(tmpdir(), 's3files-sftp-storm.log');

// On a busy machine the stand-in's exports may take minutes, and what is overdue is asked about ever more rarely.
const CONFIG = QUICK_CONFIG.replace('export_delay_seconds = 1', 'export_delay_seconds = 2').replace(
  'delivery_deadline_seconds = 60',
  'delivery_deadline_seconds = 900',
);

/** Partners upload with every client and in every way while everything goes wrong; then the truth is compared. */
export async function runStorm(options: StormOptions): Promise<StormResult> {
  const { note } = options;
  const python = await pythonWithParamiko();
  const bed = await bootWithProduct(options.rpm, CONFIG);
  try {
    const random = createRandom(options.seed);
    const truth = emptyTruth();
    const entered = await enterPartners(bed, options.users + 1);
    const [alone, ...logins] = entered;
    if (alone === undefined) throw new Error('a storm needs partners');
    const names = logins.map(({ user }) => user);
    const gate = createGate();
    const clients = clientsOf(bed, python);
    const server = serverSideOf(bed);
    const each = Math.ceil(options.uploads / options.users);
    const plans = logins.map((login) => ({ login, rounds: planVisits(random.fork(login.user), each) }));
    const planned = plans.reduce(
      (sum, { rounds }) => sum + uploadsIn(rounds.flat().flatMap(({ steps }) => steps)),
      0,
    );
    note(`${planned} uploads by ${options.users} partners begin`);
    const special = vacuums(bed, alone, gate, truth);
    const weather = startWeather(bed, random.fork('weather'), names, options.restMs, special);
    let stormy = true;
    const failed = weather.ended.catch((error: unknown) => {
      if (stormy) throw error;
    });
    const waiting = plans.values();
    const work = async () => {
      for (const { login, rounds } of waiting) await makeVisits(login, rounds, clients, truth, server, gate);
    };
    const progress = setInterval(
      () =>
        note(
          `${truth.uploads.length} uploads, ${truth.doubts.length} in doubt, ${weather.diary.length} faults`,
        ),
      10_000,
    );
    try {
      const all = Promise.all(Array.from({ length: options.parallel }, work));
      await Promise.race([all, failed.then(() => all)]);
      stormy = false;
      weather.calm();
      await weather.ended;
      note('the storm is over; what is on its way arrives');
      await settled(bed);
    } finally {
      clearInterval(progress);
      weather.calm();
    }
    await bed.run(['systemctl', 'stop', AGENT]);
    const files = new Map<string, Buffer>();
    for (const { user } of entered) {
      for (const path of await filesOf(bed, user))
        files.set(user + path, await readFile(join(bed.s3files.directory, user + path)));
    }
    const evidence = await gatherEvidence(bed, files);
    truth.outages.push(...weather.outages);
    const found = disagreements(truth, evidence);
    const receipts = evidence.lines.filter((line) => String(line['event-id']).endsWith('.receipt'));
    if (found.length > 0) await keepLog(bed);
    return {
      disagreements: found,
      truth,
      planned,
      diary: weather.diary,
      summary: {
        whole: truth.uploads.filter(({ kind }) => kind === 'whole').length,
        partial: truth.uploads.filter(({ kind }) => kind === 'partial').length,
        doubts: new Set(truth.doubts.map(({ step }) => step)).size,
        receipts: receipts.length,
        'of them for a version from before the close': receipts.filter((line) => line['lag-seconds'] === 0)
          .length,
        faults: weather.diary.length,
        'metric batches taken twice': evidence.repeated.UploadCount.samples,
      },
    };
  } catch (error) {
    await keepLog(bed);
    throw error;
  } finally {
    await bed.shutdown();
  }
}

/** Leaves the agent's log and the sessions' behind. */
async function keepLog(bed: Bed): Promise<void> {
  await writeFile(STORM_LOG, await agentLog(bed, 200_000));
  await writeFile(`${STORM_LOG}.console`, await bed.console());
  const sessions = await bed.journal({ namespace: 's3files-sftp' });
  const lines = sessions.map(
    (entry) => `${entry.__REALTIME_TIMESTAMP} ${entry._PID} ${entry._UID} ${entry.MESSAGE}`,
  );
  await writeFile(`${STORM_LOG}.sessions`, lines.join('\n'));
}

function clientsOf({ clients }: Bed, python: string): Record<ClientKind, Client> {
  return {
    openssh: opensshClient(clients.sftpArgv),
    scp: scpClient(clients.netns, clients.sshOptions),
    ssh2: ssh2Client(clients),
    lftp: lftpClient(clients.netns, clients.sshOptions),
    paramiko: paramikoClient(python, clients.netns),
  };
}

/** Waits until all that is whole is in the bucket and has its receipt. */
async function settled(bed: Bed): Promise<void> {
  await bed.s3files.exported({ timeoutMs: 120_000 }).catch(async (cause: unknown) => {
    const failures = await bed.s3files.exportFailures();
    throw new Error(`not everything is exported; the last failures: ${failures.slice(-5).join('; ')}`, {
      cause,
    });
  });
  const arrived = async () => {
    const { uploads } = await agentStatus(bed);
    return uploads.outstanding === 0 && uploads.sessions === 0;
  };
  await until('every upload to have its receipt', arrived, { timeoutMs: 180_000, everyMs: 500 });
}

/** A seed for a run that names none: short, so that a person can type it again. */
export const someSeed = (): number =>
  createHash('sha256').update(String(Date.now())).digest().readUInt16BE(0);
