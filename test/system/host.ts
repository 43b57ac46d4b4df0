import { rmSync } from 'node:fs';
import { copyFile, mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Aws, createAws } from '../bed/aws.ts';
import { AWS_ENVIRONMENT } from '../bed/aws-client.ts';
import { exists } from '../bed/cache.ts';
import { commandOk, ended, killGroup, until } from '../bed/command.ts';
import { startMoto } from '../bed/moto.ts';
import { AWS_PORT, MOTO_PORT } from '../bed/outside/protocol.ts';
import { startOutside } from '../bed/outside.ts';
import { AGENT } from '../bed/product.ts';
import { motoPython } from '../bed/python.ts';
import { indexRepository, stubRepository } from '../bed/repository.ts';
import { BUCKET, FILE_SYSTEM } from '../bed/s3-files.ts';
import { OUTSIDE_ADDRESS, vmImage } from './vm/image.ts';
import { startVm, type Vm } from './vm/machine.ts';

const MACHINES = '/tmp/s3files-sftp-bed';
const STAND_IN = join(import.meta.dirname, 'stand-in');

/** Only what has no default: the matrix measures the product as it is delivered. */
const CONFIG = `[mount]
file_system_id = "${FILE_SYSTEM}"

[uploads]
bucket = "${BUCKET}"
`;

const DROP_IN = `[Service]
${Object.entries({ ...AWS_ENVIRONMENT, AWS_ENDPOINT_URL: `http://${OUTSIDE_ADDRESS}:${AWS_PORT}` })
  .map(([name, value]) => `Environment=${name}=${value}`)
  .join('\n')}
`;

/** A virtual machine with the product on it, and an AWS beside it. */
export interface SystemHost {
  readonly vm: Vm;
  readonly aws: Aws;
  /** Where QEMU and the others write. */
  readonly directory: string;
  shutdown(): Promise<void>;
}

/** Boots the virtual machine, and installs the product as an operator does; it is not started yet. */
export async function bootSystem(rpm: string): Promise<SystemHost> {
  const [image, stubs, python] = [await vmImage(), await stubRepository(STAND_IN), await motoPython()];
  await sweep();
  const directory = join(MACHINES, `vm-${process.pid}`);
  await mkdir(directory, { recursive: true });
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.once('exit', remove);
  const started: Array<() => Promise<unknown> | unknown> = [];
  const shutdown = async () => {
    for (const stop of started.splice(0).toReversed()) await stop();
    process.off('exit', remove);
    remove();
  };
  try {
    const log = await open(join(directory, 'console.log'), 'a');
    started.push(async () => await log.close());
    const repository = await repositoryDisk(directory, stubs, rpm);
    const outside = await startOutside(directory, log.fd);
    started.push(async () => {
      killGroup(outside.child);
      await ended(outside.child);
    });
    const moto = startMoto(python, outside.netns, MOTO_PORT, log.fd);
    started.push(async () => {
      killGroup(moto);
      await ended(moto);
    });
    const vm = await startVm({ image, repository, directory, netns: outside.netns, logFd: log.fd });
    started.push(async () => await vm.stop());
    await outside.ready;
    await until('moto to listen', async () => await outside.call<boolean>('isListening', MOTO_PORT), {
      timeoutMs: 60_000,
    });
    const aws = createAws(directory, outside);
    started.push(() => aws.destroy());
    await aws.createBucket(BUCKET);
    await install(vm);
    return { vm, aws, directory, shutdown };
  } catch (error) {
    const said = await Promise.all(
      ['console.log', 'serial.log'].map(
        async (name) => await readFile(join(directory, name), 'utf8').catch(() => ''),
      ),
    );
    await shutdown();
    throw new Error(`the virtual machine did not come up:\n${said.join('\n').slice(-3000)}`, {
      cause: error,
    });
  }
}

async function install(vm: Vm): Promise<void> {
  const { stdout } = await vm.exec(['systemctl', 'is-system-running', '--wait'], { timeoutMs: 120_000 });
  if (stdout.trim() !== 'running') {
    throw new Error(`systemd says ${stdout.trim()}: ${await vm.run(['systemctl', '--failed', '--plain'])}`);
  }
  await vm.run(['dnf', '--assumeyes', '--color=never', 'install', 's3files-sftp-agent'], {
    timeoutMs: 300_000,
  });
  await vm.writeFile('/etc/s3files-sftp/config.toml', CONFIG);
  await vm.writeFile(`/etc/systemd/system/${AGENT}.d/bed.conf`, DROP_IN);
  await vm.run(['systemctl', 'daemon-reload']);
}

/** Removes the disks of runs that were killed; their processes died with them. */
async function sweep(): Promise<void> {
  for (const name of await readdir(MACHINES).catch(() => [])) {
    const pid = /^vm-(\d+)$/.exec(name)?.[1];
    if (pid === undefined || (await exists(`/proc/${pid}`))) continue;
    await rm(join(MACHINES, name), { recursive: true, force: true });
  }
}

/** A disk with the packages, so that the machine needs nothing of the outside to install them. */
async function repositoryDisk(directory: string, stubs: string, rpm: string): Promise<string> {
  const tree = join(directory, 'repository');
  await mkdir(join(tree, 'product'), { recursive: true });
  await commandOk(['cp', '-a', stubs, join(tree, 'stubs')]);
  await copyFile(rpm, join(tree, 'product', basename(rpm)));
  await indexRepository(join(tree, 'product'));
  const disk = join(directory, 'repository.raw');
  await commandOk(['mke2fs', '-q', '-t', 'ext4', '-L', 'repository', '-d', tree, disk, '512M']);
  await rm(tree, { recursive: true });
  return disk;
}
