import { randomBytes } from 'node:crypto';
import type { Bed } from '../bed/boot.ts';
import { sleep, until } from '../bed/command.ts';
import { processUsage } from '../bed/process-usage.ts';
import {
  AGENT,
  bootWithProduct,
  PREFIX,
  productRpm,
  QUICK_CONFIG,
  startAgent,
  waitHealthy,
} from '../bed/product.ts';
import type { Report, Suite } from './report.ts';
import { useraddSeconds } from './useradd-loop.ts';

const USERS = 10_000;
/** 40 bundles of 31 KiB: the form that docs/cost.md recommends for many users. */
const USERS_PER_BUNDLE = 250;

/** How the users come: as most sites have them, at their costliest to poll, and with the longest keys. */
const FORMS = {
  bundles: { perSecret: USERS_PER_BUNDLE, keys: () => [ed25519Line()] },
  secrets: { perSecret: 1, keys: () => [ed25519Line()] },
  'long keys': { perSecret: 25, keys: () => [rsa4096Line(), rsa4096Line(), rsa4096Line()] },
} as const;
/** Seconds between polls; the default, so that what is measured is not in another pass's way. */
const POLL_SECONDS = 60;
/** The polls of the measurement of a changed key come faster, or it would take a minute for each. */
const QUICK_POLL_SECONDS = 5;

/** Users and keys of ten thousand partners: the first sync, the passes after it, one changed key, and memory. */
export const accountsSuite: Suite = {
  name: 'accounts',
  run: async (report) => {
    const rpm = await productRpm();
    for (const form of Object.keys(FORMS) as (keyof typeof FORMS)[]) {
      const bed = await bootWithProduct(rpm, configOf(POLL_SECONDS));
      try {
        await measure(bed, form, report);
      } finally {
        await bed.shutdown();
      }
    }
  },
};

function configOf(pollSeconds: number): string {
  return QUICK_CONFIG.replace(/poll_seconds = \d+/, `poll_seconds = ${pollSeconds}`);
}

async function measure(bed: Bed, form: keyof typeof FORMS, report: Report): Promise<void> {
  const { perSecret, keys } = FORMS[form];
  await startAgent(bed);
  await waitHealthy(bed);
  const agent = bed.pidOutside(Number(await bed.unit(AGENT, 'MainPID')));
  // The stand-in exports the claims after 2 s, S3 Files after 60 s: neither its work nor moto's is the agent's.
  await bed.s3files.pauseExport();
  report.note(`putting ${USERS} users into ${USERS / perSecret} secrets`);
  await seed(bed, perSecret, keys);
  const each = form === 'long keys' ? ' with 3 RSA keys of 4096 bits each' : '';
  const where = `${USERS.toLocaleString('en')} users in ${(USERS / perSecret).toLocaleString('en')} secrets${each}`;

  const few = await useraddSeconds(bed, 'early');
  report.note(`useradd: ${(few * 1000).toFixed(1)} ms each on a host without users`);
  const first = await sync(bed, agent);
  if (first.active !== USERS) throw new Error(`${first.active} of ${USERS} can log in after the first sync`);
  report.figure({
    name: `first sync, ${where}, AWS’s time left out`,
    value: first.ownSeconds,
    unit: 's',
    // The goals are for one key of the usual kind; long keys are to show that they do no harm.
    ...(form !== 'long keys' && { atMost: 12 }),
  });
  report.figure({ name: '  as the clock saw it', value: first.wallSeconds, unit: 's' });
  report.figure({ name: '  spent by moto, in AWS’s place', value: first.awsSeconds, unit: 's' });
  report.figure({
    name: '  until the secrets were read, AWS’s time left out',
    value: first.readingSeconds,
    unit: 's',
  });
  report.figure({ name: '  agent’s main process, CPU', value: first.cpuSeconds, unit: 's' });
  report.figure({ name: '  of it while calls were under way', value: first.cpuOfReading, unit: 's' });
  report.figure({ name: '  API calls', value: first.calls, unit: '' });
  const many = await useraddSeconds(bed, 'late');
  const loop = ((few + many) / 2) * USERS;
  report.note(`useradd: ${(many * 1000).toFixed(1)} ms each on a host with ${USERS} users`);
  report.figure({ name: '  a loop of useradd alone would take', value: loop, unit: 's' });
  report.figure({
    name: '  times as fast as that loop',
    value: loop / first.ownSeconds,
    unit: '×',
    atLeast: 10,
  });

  // The first pass after the first sync may still have something to note.
  await sync(bed, agent);
  const same = await sync(bed, agent);
  report.figure({ name: `unchanged pass, ${where}, CPU`, value: same.cpuSeconds, unit: 's' });
  report.figure({ name: '  of it beside the API calls', value: same.cpuBesideCalls, unit: 's', atMost: 1 });
  report.figure({ name: '  API calls', value: same.calls, unit: '' });
  const { residentMb, peakMb } = processUsage(agent);
  report.figure({
    name: `agent’s main process, ${where}, resident`,
    value: residentMb,
    unit: 'MB',
    ...(form !== 'long keys' && { atMost: 130 }),
  });
  report.figure({ name: '  the most it ever was, in the first sync', value: peakMb, unit: 'MB' });
  if (form === 'bundles') await measureChange(bed, report);
}

/** What one `s3files-sftp sync` took. */
interface SyncCost {
  readonly wallSeconds: number;
  /** Of the time in which calls were under way, what the agent did not spend computing. */
  readonly awsSeconds: number;
  readonly ownSeconds: number;
  /** Of its own time, what it took until the last secret was there. */
  readonly readingSeconds: number;
  readonly cpuSeconds: number;
  readonly cpuOfReading: number;
  readonly cpuBesideCalls: number;
  readonly calls: number;
  /** Accounts that can log in after it. */
  readonly active: number;
}

const READS = new Set(['ListSecrets', 'BatchGetSecretValue', 'DescribeSecret']);
const SAMPLE_MS = 10;

/**
 * Runs a sync and takes its time apart. While a call is under way, moto and the agent share this machine, so that time
 * counts with the CPU that the agent itself used in it: as if every answer had come at once.
 */
async function sync(bed: Bed, agent: number): Promise<SyncCost> {
  const before = (await bed.aws.calls()).length;
  const samples: Array<{ at: number; cpu: number }> = [];
  const sample = () => samples.push({ at: Date.now(), cpu: processUsage(agent).cpuSeconds });
  sample();
  const sampler = setInterval(sample, SAMPLE_MS);
  const began = Date.now();
  const report = await syncedReport(bed);
  const ended = Date.now();
  clearInterval(sampler);
  sample();
  const calls = (await bed.aws.calls()).slice(before).filter(({ operation }) => READS.has(operation));
  const cpuAt = (time: number) => samples.findLast(({ at }) => at <= time)?.cpu ?? samples[0]?.cpu ?? 0;
  const asking = spans(calls);
  const secondsOf = (length: (span: Span) => number) => asking.reduce((sum, span) => sum + length(span), 0);
  const cpuOfReading = secondsOf(({ from, to }) => cpuAt(to) - cpuAt(from));
  const wallSeconds = (ended - began) / 1000;
  const awsSeconds = Math.max(0, secondsOf(({ from, to }) => (to - from) / 1000) - cpuOfReading);
  const cpuSeconds = cpuAt(ended) - cpuAt(began);
  const answered = asking.at(-1)?.to ?? began;
  return {
    wallSeconds,
    awsSeconds,
    ownSeconds: wallSeconds - awsSeconds,
    readingSeconds: (answered - began) / 1000 - awsSeconds,
    cpuSeconds,
    cpuOfReading,
    cpuBesideCalls: cpuSeconds - cpuOfReading,
    calls: calls.length,
    active: report.active,
  };
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/** The times in which at least one call was under way, in order and apart from each other. */
function spans(calls: ReadonlyArray<{ readonly at: number; readonly ms: number }>): Span[] {
  const merged: Span[] = [];
  for (const { at, ms } of calls.toSorted((a, b) => a.at - b.at)) {
    const last = merged.at(-1);
    if (last && at <= last.to)
      merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, at + ms) };
    else merged.push({ from: at, to: at + ms });
  }
  return merged;
}

/** Syncs until nobody is left for the next pass, as on a slow machine thousands may be. */
async function syncedReport(bed: Bed): Promise<{ readonly active: number; readonly preparing: number }> {
  for (;;) {
    const { stdout, stderr } = await bed.exec(['s3files-sftp', 'sync', '--json'], { timeoutMs: 180_000 });
    if (stdout === '') throw new Error(`the sync failed: ${stderr}`);
    const report = JSON.parse(stdout);
    if (report.preparing === 0) return report;
  }
}

/** How long after a key is in its secret it opens a session. */
async function measureChange(bed: Bed, report: Report): Promise<void> {
  await bed.writeFile('/etc/s3files-sftp/config.toml', configOf(QUICK_POLL_SECONDS));
  await sleep(1_000);
  await bed.exec(['s3files-sftp', 'sync'], { timeoutMs: 60_000 });
  const waits: number[] = [];
  for (const round of [1, 2, 3]) {
    const key = await bed.clients.key(`changed-${round}`);
    const user = userName(0);
    const bundle = bundleOf(0, USERS_PER_BUNDLE, FORMS.bundles.keys);
    await bed.aws.putSecret(secretName(0), { users: { ...bundle, [user]: { publicKeys: [key.publicKey] } } });
    const began = performance.now();
    await until(
      'the new key to open a session',
      async () => (await bed.clients.sftp({ user, key }, ['ls'])).code === 0,
      {
        timeoutMs: 30_000,
        everyMs: 50,
      },
    );
    waits.push((performance.now() - began) / 1000);
  }
  report.figure({
    name: `one changed key of ${USERS.toLocaleString('en')} users live, polls every ${QUICK_POLL_SECONDS} s, worst of 3`,
    value: Math.max(...waits),
    unit: 's',
    atMost: QUICK_POLL_SECONDS + 1,
  });
}

const userName = (index: number) => `partner${String(index).padStart(5, '0')}`;
const secretName = (index: number) => `${PREFIX}bundle${index}`;

/** An ed25519 public key that nobody has the other half of: any 32 bytes are one to OpenSSH's reader. */
function ed25519Line(): string {
  const type = 'ssh-ed25519';
  const length = (bytes: number) => Buffer.from([0, 0, 0, bytes]);
  const wire = Buffer.concat([length(type.length), Buffer.from(type), length(32), randomBytes(32)]);
  return `${type} ${wire.toString('base64')} ops@partner.example`;
}

/** As {@link ed25519Line}: its modulus is of no known primes, which no reader of public keys asks about. */
function rsa4096Line(): string {
  const modulus = randomBytes(512);
  modulus.writeUInt8(modulus.readUInt8(0) | 0x80, 0);
  modulus.writeUInt8(modulus.readUInt8(511) | 1, 511);
  const field = (bytes: Buffer) =>
    Buffer.concat([Buffer.from([0, 0, bytes.length >> 8, bytes.length & 255]), bytes]);
  const fields = [Buffer.from('ssh-rsa'), Buffer.from([1, 0, 1]), Buffer.concat([Buffer.from([0]), modulus])];
  return `ssh-rsa ${Buffer.concat(fields.map(field)).toString('base64')} ops@partner.example`;
}

const bundles = new Map<number, Record<string, unknown>>();

/** The users of one bundle; the same ones however often it is asked for. */
function bundleOf(index: number, size: number, keys: () => string[]): Record<string, unknown> {
  const names = Array.from({ length: size }, (_, at) => userName(index * size + at));
  const known = bundles.get(index);
  const bundle = known ?? Object.fromEntries(names.map((name) => [name, { publicKeys: keys() }]));
  bundles.set(index, bundle);
  return bundle;
}

async function seed(bed: Bed, perSecret: number, keys: () => string[]): Promise<void> {
  bundles.clear();
  const secrets = Array.from({ length: USERS / perSecret }, (_, index) =>
    perSecret === 1
      ? { name: `${PREFIX}${userName(index)}`, value: { publicKeys: keys() } }
      : { name: secretName(index), value: { users: bundleOf(index, perSecret, keys) } },
  ).values();
  const work = async () => {
    for (const { name, value } of secrets) await bed.aws.putSecret(name, value);
  };
  await Promise.all([work(), work()]);
}
