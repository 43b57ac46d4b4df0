import { commandOk, until } from '../bed/command.ts';
import { AGENT, PREFIX } from '../bed/product.ts';
import type { SystemHost } from './host.ts';
import { provePlantedIsFound } from './planted.ts';
import type { Vm } from './vm/machine.ts';

/** What partners do while something breaks. */
export const LOADS = {
  idle: 'idle',
  upload: 'upload in flight, dirty pages',
  sessions: '50 sessions',
  storm: 'login storm',
} as const;
export type Load = keyof typeof LOADS;

const PARTNERS = 10;
const SESSIONS = 50;
const KEY = '/root/partner-key';
const UNIT = 'bed-load';
const HOLDER = 'bed-holder';

/**
 * Starts the agent, makes the partners' accounts and keeps one state of the whole machine for each load, so that a cell
 * begins within seconds.
 */
export async function prepareLoads(
  { vm, aws }: SystemHost,
  loads: readonly Load[],
  say: (text: string) => void,
): Promise<void> {
  const key = await makeKey(vm);
  const users = Object.fromEntries(
    Array.from({ length: PARTNERS }, (_, index) => [
      `p${String(index + 1).padStart(2, '0')}`,
      { publicKeys: [key] },
    ]),
  );
  await aws.putSecret(`${PREFIX}partners`, { users });
  await vm.run(['systemctl', 'start', AGENT], { timeoutMs: 90_000 });
  await start(vm, 'bed-observer', 'observer.py');
  await until(
    'the partners to have their accounts and the mount to be healthy',
    async () => await isReady(vm),
    {
      timeoutMs: 300_000,
      everyMs: 1000,
    },
  );
  const upload = await vm.exec(['python3', '/usr/lib/bed/partners.py', 'once', 'p01'], { timeoutMs: 90_000 });
  if (upload.code !== 0)
    throw new Error(`a partner can't upload: ${await vm.sh('cat /run/bed/partners.jsonl')}`);
  await vm.save('idle');
  await provePlantedIsFound(vm);
  say('idle: ready, and what is left behind is found');
  for (const load of loads.filter((each) => each !== 'idle')) {
    await vm.load('idle');
    await startLoad(vm, load);
    await settle(vm);
    await vm.save(load);
    say(`${LOADS[load]}: ready`);
  }
}

/** Every partner's key is there, and partners are served. */
async function isReady(vm: Vm): Promise<boolean> {
  const script = 'ls /etc/s3files-sftp/keys 2>/dev/null | wc -l; cat /run/bed/now.json';
  const [count = '0', now = '{}'] = (await vm.sh(script)).split('\n');
  const { door, health } = JSON.parse(now);
  return Number(count) >= PARTNERS && door === 'served' && health === 'healthy';
}

/** Starts a load, and waits until it has come to what it is about. */
async function startLoad(vm: Vm, load: Load): Promise<void> {
  await start(vm, UNIT, 'partners.py', load);
  const partners = 'cat /run/bed/partners.jsonl';
  switch (load) {
    case 'idle':
      return;
    case 'upload':
      await start(vm, HOLDER, 'partners.py', 'holder');
      await until('uploads to be in flight', async () => (await sizeOfUploads(vm)) > 2_000_000, {
        timeoutMs: 60_000,
        everyMs: 1000,
      });
      return;
    case 'sessions':
      await until(
        'fifty sessions',
        async () => (await vm.sh(partners)).split('"outcome": "open"').length > SESSIONS,
        { timeoutMs: 300_000, everyMs: 2000 },
      );
      return;
    case 'storm':
      await until('logins', async () => (await vm.sh(partners)).split('"ok"').length > 8, {
        timeoutMs: 120_000,
        everyMs: 1000,
      });
  }
}

/** What the start of a load did to slow processors is over: partners are served, and the agent pings. */
async function settle(vm: Vm): Promise<void> {
  const isCalm = async () => {
    const { door, health, pingAge } = JSON.parse(await vm.sh('cat /run/bed/now.json'));
    return door === 'served' && health === 'healthy' && pingAge <= 12;
  };
  await until('the machine to be calm', isCalm, { timeoutMs: 120_000, everyMs: 1000 });
}

/** Bytes of the uploads that are under way, as the server has them. */
async function sizeOfUploads(vm: Vm): Promise<number> {
  const script =
    'find /srv/s3files/*/p0[12]/upload -name "file-*" -size +1M -printf "%s\\n" | sort -n | tail -n 1';
  return Number((await vm.sh(script)).trim());
}

/** Whether partners still do what the load is about, and who else belongs to it. */
export async function isUnderWay(vm: Vm, load: Load): Promise<boolean> {
  const units = { idle: [], upload: [UNIT, HOLDER], sessions: [UNIT], storm: [UNIT] }[load];
  for (const unit of units) {
    if ((await vm.exec(['systemctl', '--quiet', 'is-active', unit])).code !== 0) return false;
  }
  return true;
}

/** Ends what a load still does. */
export async function stopLoad(vm: Vm): Promise<void> {
  await vm.sh(`touch /run/bed/stop; systemctl stop ${UNIT} ${HOLDER} 2>/dev/null || true`);
}

async function start(vm: Vm, unit: string, program: string, ...args: readonly string[]): Promise<void> {
  await vm.run([
    ...(['systemd-run', '--quiet', '--collect', `--unit=${unit}`, '--property=TimeoutStopSec=3'] as const),
    ...['--', 'python3', '-u', `/usr/lib/bed/${program}`, ...args],
  ]);
}

/** One key for all partners; it is made out here, where that is fast. */
async function makeKey(vm: Vm): Promise<string> {
  const directory = (await commandOk(['mktemp', '-d'])).trim();
  try {
    await commandOk([
      'ssh-keygen',
      '-q',
      '-t',
      'ed25519',
      '-N',
      '',
      '-C',
      'partner',
      '-f',
      `${directory}/key`,
    ]);
    await vm.writeFile(KEY, await commandOk(['cat', `${directory}/key`]), '600');
    return (await commandOk(['cat', `${directory}/key.pub`])).trim();
  } finally {
    await commandOk(['rm', '-r', directory]);
  }
}
