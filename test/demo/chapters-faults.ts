import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ended, until } from '../bed/command.ts';
import { AGENT, agentStatus, waitHealthy } from '../bed/product.ts';
import { content, type Story, seconds, timed } from './story.ts';
import { uploaded } from './truth.ts';

const MOUNT_POINT = '/home/sftp';

/** The mount hangs (its proxy is stopped) or dies (its proxy is killed) under an upload, and comes back by itself. */
export async function loseTheMount(story: Story, fault: 'hang' | 'death'): Promise<void> {
  const { bed, narrator, truth, globex } = story;
  const name = `during-${fault}.bin`;
  const session = await bed.clients.connect(globex);
  const upload = await session.begin(`/upload/${name}`, content(500_000));
  const sending = keepSending(upload);
  truth.partial += 1;

  await (fault === 'hang' ? bed.faults.stopProxy() : bed.faults.killProxy());
  const began = performance.now();
  const noticed = async () => (await agentStatus(bed)).mount.health !== 'healthy';
  await until('the agent to notice', noticed, { timeoutMs: 30_000, everyMs: 50 });
  narrator.check('it is noticed', true, `after ${since(began)}`);
  const refused = async () => !(await agentStatus(bed)).mount.serving;
  await until('partners to be refused', refused, { timeoutMs: 30_000, everyMs: 50 });
  narrator.check('partners are refused', true, `after ${since(began)}`);
  const login = await bed.clients.sftp(globex, ['ls'], { timeoutMs: 5_000 });
  // Served again by now, and logged in: then the login was right to succeed, and the next chapter tries once more.
  const back = login.code === 0 && (await agentStatus(bed)).mount.serving;
  narrator.check(
    'a login meanwhile is refused, at connect',
    login.code !== 0 || back,
    login.stderr.trim().split('\n').at(-1),
  );
  const landed = await landedLocally(story);

  await waitHealthy(bed, 60);
  narrator.check('the mount is brought back, without anybody’s help', true, `after ${since(began)} in all`);
  await sending;
  narrator.check('the partner’s old session was ended, not deceived', await isClosed(session.closed));
  narrator.check('nothing landed on the host’s own disk', !landed && !(await landedLocally(story)));

  const whole = content(2_000_000);
  const retry = await bed.clients.connect(globex);
  await retry.put(`/upload/${name}`, whole);
  retry.end();
  uploaded(truth, 'globex', name, whole);
  narrator.check('the partner’s retry completes', true);
}

/** Writes until the connection breaks, as a client in the middle of a large file does. */
async function keepSending(upload: { write(bytes: Uint8Array): Promise<void> }): Promise<void> {
  const block = content(32_768);
  try {
    for (;;) {
      await upload.write(block);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } catch {
    // The end of the session is what this waits for.
  }
}

async function isClosed(closed: Promise<void>): Promise<boolean> {
  return await Promise.race([
    closed.then(() => true),
    new Promise<boolean>((resolve) => setTimeout(resolve, 5_000, false)),
  ]);
}

/** Looks below the mount: binds the root file system elsewhere, where nothing is mounted over the directory. */
async function landedLocally({ bed }: Story): Promise<boolean> {
  const script =
    'mkdir -p /run/below && mount --bind / /run/below && ls -A "/run/below$1"; umount /run/below';
  const files = await bed.run(['unshare', '--mount', 'sh', '-c', script, 'sh', MOUNT_POINT]);
  return files.trim() !== '';
}

/** kill -9 during an upload: systemd restarts the agent; the partner does not notice; nothing is lost or doubled. */
export async function killTheAgent({ bed, narrator, truth, acme, globex }: Story): Promise<void> {
  const outbox = await mkdtemp(join(tmpdir(), 'outbox-'));
  const large = content(64 * 1024 * 1024);
  await writeFile(join(outbox, 'large.bin'), large);
  const session = await bed.clients.connect(globex);
  const first = content(400_000);
  const second = content(400_000);
  const upload = await session.begin('/upload/across-the-kill.bin', first);
  const client = bed.clients.startSftp(acme, [`put ${join(outbox, 'large.bin')} large.bin`, 'ls']);

  const arriving = async () =>
    (await bed.exec(['test', '-s', `${MOUNT_POINT}/acme/upload/large.bin`])).code === 0;
  await until('the large upload to be under way', arriving, { timeoutMs: 10_000, everyMs: 10 });
  const killed = await bed.faults.killMain(AGENT);
  const restarted = async () => {
    const pid = Number(await bed.unit(AGENT, 'MainPID'));
    return pid > 0 && pid !== killed && (await bed.unit(AGENT, 'ActiveState')) === 'active';
  };
  const took = await timed(() =>
    until('systemd to restart the agent', restarted, { timeoutMs: 20_000, everyMs: 100 }),
  );
  narrator.check('systemd restarts it', true, seconds(took));

  await upload.write(second);
  await upload.close();
  session.end();
  uploaded(truth, 'globex', 'across-the-kill.bin', Buffer.concat([first, second]));
  await ended(client);
  await rm(outbox, { recursive: true });
  narrator.check('the uploads under way did not notice', client.exitCode === 0);
  if (client.exitCode === 0) uploaded(truth, 'acme', 'large.bin', large);
  await waitHealthy(bed);
}

const since = (began: number): string => seconds((performance.now() - began) / 1000);
