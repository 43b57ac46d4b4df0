import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../bed/command.ts';
import {
  AGENT,
  accountReady,
  agentEvents,
  agentStatus,
  PREFIX,
  startAgent,
  waitHealthy,
} from '../bed/product.ts';
import { content, type Story, seconds, timed } from './story.ts';
import { uploaded } from './truth.ts';

const SMALL_FILES = 200;
const LARGE_BYTES = 256 * 1024 * 1024;

export async function installAndStart({ bed, narrator }: Story): Promise<void> {
  const version = (await bed.run(['rpm', '-q', 's3files-sftp-agent'])).trim();
  narrator.note(`dnf installed ${version}; the host had booted in ${seconds(bed.bootSeconds)}`);
  await startAgent(bed);
  const ready = await readySeconds(bed);
  narrator.check('READY within 1 s of start', ready < 1, seconds(ready));
  const healthy = await timed(() => waitHealthy(bed));
  narrator.check(
    's3files-sftp status --wait healthy: the mount is proven, partners are served',
    true,
    seconds(healthy),
  );
}

/** From the start of the process until systemd took READY=1, by systemd's own clock. */
async function readySeconds(bed: Story['bed']): Promise<number> {
  const started = Number(await bed.unit(AGENT, 'ExecMainStartTimestampMonotonic'));
  const active = Number(await bed.unit(AGENT, 'ActiveEnterTimestampMonotonic'));
  return (active - started) / 1e6;
}

export async function partnersAppear(story: Story): Promise<void> {
  const { bed, narrator, acmeLaptop, acmeServer, globexKey } = story;
  await bed.aws.putSecret(`${PREFIX}acme`, { publicKeys: [acmeLaptop.publicKey, acmeServer.publicKey] });
  await bed.aws.putSecret(`${PREFIX}globex`, {
    PublicKey: globexKey.publicKey,
    AcceptedIpNetwork: '127.0.0.0/8',
    Role: 'arn:aws:iam::123456789012:role/transfer',
    HomeDirectory: '/bucket/globex',
  });
  const appeared = await timed(async () => {
    await accountReady(bed, 'acme');
    await accountReady(bed, 'globex');
  });
  narrator.check(
    'acme (a secret in the native form) and globex (in Transfer Family’s) have accounts',
    true,
    seconds(appeared),
  );
  const passwd = await bed.run(['getent', 'passwd', 'acme', 'globex']);
  const confined = passwd
    .trim()
    .split('\n')
    .every((line) => /:\/:\/(usr\/)?sbin\/nologin$/.test(line));
  narrator.check('neither has a shell, nor a home on the mount', confined);
}

export async function uploadAndRefuse(story: Story): Promise<void> {
  await uploadWhole(story);
  await uploadPart(story);
  await refuse(story);
}

async function uploadWhole({ bed, narrator, truth, acme, globex }: Story): Promise<void> {
  const outbox = await mkdtemp(join(tmpdir(), 'outbox-'));
  try {
    const commands: string[] = [];
    const put = async (name: string, bytes: number) => {
      const file = content(bytes);
      await writeFile(join(outbox, name), file);
      commands.push(`put ${join(outbox, name)} ${name}`);
      uploaded(truth, 'acme', name, file);
    };
    for (let i = 0; i < SMALL_FILES; i += 1) await put(`invoice-${i}.csv`, 100 + i * 37);
    await put('backup.bin', LARGE_BYTES);
    let result = { code: -1, stderr: '' };
    const took = await timed(async () => {
      result = await bed.clients.sftp(acme, commands);
    });
    const detail = result.code === 0 ? seconds(took) : result.stderr;
    narrator.check(
      `acme uploads ${SMALL_FILES} small files and one of 256 MB with OpenSSH’s sftp`,
      result.code === 0,
      detail,
    );
  } finally {
    await rm(outbox, { recursive: true });
  }
  const session = await bed.clients.connect(globex);
  const report = content(3_000_000);
  await session.put('/upload/report.pdf.part', report);
  await session.rename('/upload/report.pdf.part', '/upload/report.pdf');
  uploaded(truth, 'globex', 'report.pdf', report);
  narrator.check('globex uploads with ssh2 under a .part name and renames it at the end', true);
  session.end();
}

async function uploadPart({ bed, narrator, truth, globex }: Story): Promise<void> {
  const session = await bed.clients.connect(globex);
  await session.begin('/upload/lost.bin', content(1_000_000));
  session.cut();
  await session.closed;
  truth.partial += 1;
  narrator.check('one upload of globex’s is cut off half-way: its connection is gone', true);
}

async function refuse({ bed, narrator, acme, globex, strangerKey }: Story): Promise<void> {
  const { clients } = bed;
  const stranger = await clients.sftp({ ...acme, key: strangerKey }, ['ls']);
  narrator.check('a wrong key is refused', stranger.code !== 0 && /Permission denied/.test(stranger.stderr));
  const shell = await clients.ssh(acme, ['-T'], { timeoutMs: 10_000 });
  const command = await clients.ssh(acme, ['-T'], { timeoutMs: 10_000, remoteCommand: 'id' });
  const ran = /uid=/.test(`${shell.stdout}${command.stdout}`);
  narrator.check('a shell and a command are refused', shell.code !== 0 && command.code !== 0 && !ran);
  // To a port where somebody listens for certain: the partner sshd's own.
  const forward = await clients.ssh(acme, ['-W', '127.0.0.1:2222'], { timeoutMs: 10_000 });
  narrator.check('a port forward is refused', forward.code !== 0 && !/SSH-2\.0/.test(forward.stdout));
  const session = await clients.connect(globex);
  const outside = await session.get('/etc/passwd').then(
    () => false,
    () => true,
  );
  const neighbour = await session.list('/../acme').then(
    () => false,
    () => true,
  );
  await session.symlink('/../../../../etc', '/upload/escape').catch(() => {});
  const link = await session.get('/upload/escape/passwd').then(
    () => false,
    () => true,
  );
  await session.remove('/upload/escape').catch(() => {});
  session.end();
  narrator.check(
    'the chroot holds: no file of the host, no neighbour, no way out by a link',
    outside && neighbour && link,
  );
}

/** Compares every file that was uploaded whole with its object, once the exporter has nothing left to do. */
export async function checkBucket({ bed, narrator, truth }: Story): Promise<void> {
  await bed.s3files.exported({ timeoutMs: 120_000 });
  let same = 0;
  for (const [key, expected] of truth.files) {
    const object = await bed.aws.objectBytes(bed.s3files.bucket, key).catch(() => undefined);
    if (object?.equals(expected)) same += 1;
  }
  narrator.check('each object equals its file', same === truth.files.size, `${same} of ${truth.files.size}`);
  const unreceipted = async () => {
    const events = await agentEvents(bed);
    const delivered = new Set(
      events.filter(({ msg }) => String(msg).startsWith('upload delivered')).map(({ key }) => key),
    );
    return [...truth.files.keys()].filter((key) => !delivered.has(key));
  };
  const all = async () => (await unreceipted()).length === 0;
  await until('a receipt for each file', all, { timeoutMs: 60_000, everyMs: 500 }).catch(() => {});
  const missing = await unreceipted();
  const detail =
    missing.length === 0 ? `${truth.files.size} receipts` : `missing: ${missing.slice(0, 5).join(', ')}`;
  narrator.check('each has a receipt in the log, with its version', missing.length === 0, detail);
}

/** Compares what CloudWatch has with what the partners did, and sees that it does not grow past it. */
export async function checkSums({ bed, narrator, truth }: Story): Promise<void> {
  const expected = { UploadCount: truth.uploads, UploadBytes: truth.bytes, PartialUploads: truth.partial };
  for (const [name, sum] of Object.entries(expected)) {
    const reached = async () => (await bed.aws.metricSum(name)) >= sum;
    await until(name, reached, { timeoutMs: 30_000, everyMs: 500 }).catch(() => {});
  }
  // Two more publications: a count that came twice would show now.
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  for (const [name, sum] of Object.entries(expected)) {
    const published = await bed.aws.metricSum(name);
    narrator.check(`${name} is ${sum}`, published === sum, `CloudWatch has ${published}`);
  }
}

export async function revokeAKey({ bed, narrator, acmeLaptop, acmeServer }: Story): Promise<void> {
  const laptop = await bed.clients.connect({ user: 'acme', key: acmeLaptop });
  const server = await bed.clients.connect({ user: 'acme', key: acmeServer });
  await bed.aws.putSecret(`${PREFIX}acme`, { publicKeys: [acmeServer.publicKey] });
  let ended = false;
  const took = await timed(async () => {
    ended = await Promise.race([
      laptop.closed.then(() => true),
      new Promise<boolean>((resolve) => setTimeout(resolve, 15_000, false)),
    ]);
  });
  narrator.check(
    'the session that the laptop’s key opened is ended, within one poll (2 s) and a bit',
    ended && took < 5,
    seconds(took),
  );
  const again = await bed.clients.sftp({ user: 'acme', key: acmeLaptop }, ['ls']);
  narrator.check('that key no longer logs in', again.code !== 0);
  const lives = await server.list('/upload').then(
    () => true,
    () => false,
  );
  narrator.check('the session of acme’s other key goes on', lives);
  server.end();
}

export async function printFootprint({ bed, narrator }: Story): Promise<void> {
  const { residentBytes, pid } = await agentStatus(bed);
  const children = await bed.run(['ps', '--ppid', String(pid), '-o', 'rss=,args=']);
  const megabytes = residentBytes / 1e6;
  narrator.check(
    'the agent’s main process takes under 100 MB after all this',
    megabytes < 100,
    `${megabytes.toFixed(0)} MB`,
  );
  for (const line of children.trim().split('\n').filter(Boolean)) {
    const [, kib = '0', command = ''] = /^\s*(\d+) (.*)$/.exec(line) ?? [];
    narrator.note(`child: ${(Number(kib) / 1000).toFixed(0)} MB  ${command.slice(0, 80)}`);
  }
}
