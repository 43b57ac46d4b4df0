import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { copyFile, mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Aws, createAws } from './aws.ts';
import { exists } from './cache.ts';
import { type Clients, createClients } from './clients.ts';
import { type Argv, type CommandResult, ended, killGroup, until } from './command.ts';
import { createFaults, type Faults } from './faults.ts';
import { type ExecOptions, type Machine, pidOutside, startMachine, sweepMachine } from './machine.ts';
import { startMoto } from './moto.ts';
import { MOTO_PORT } from './outside/protocol.ts';
import { type Outside, startOutside } from './outside.ts';
import { motoPython } from './python.ts';
import { indexRepository, stubRepository } from './repository.ts';
import { rootFileSystem } from './root.ts';
import { createS3Files, FILE_SYSTEM, type S3Files } from './s3-files.ts';

export interface BootOptions {
  /** RPMs that `install` finds by name, such as the product's own. */
  readonly packages?: readonly string[];
  /** A bed whose file system this one mounts too: two hosts of one service. */
  readonly beside?: Bed;
}

export interface JournalQuery {
  readonly unit?: string;
  readonly identifier?: string;
  /** A journal namespace, such as the partner sshd's. */
  readonly namespace?: string;
}

/** A throw-away host with an AWS of its own. Everything in it is gone after `shutdown`, or when this process dies. */
export interface Bed {
  /** Seconds until systemd said that the host is up; AWS comes up beside it. */
  readonly bootSeconds: number;
  readonly aws: Aws;
  readonly s3files: S3Files;
  readonly clients: Clients;
  readonly faults: Faults;
  /** Runs a command in the host; how it ended is in the result. Default deadline: 60 s. */
  exec(argv: Argv, options?: ExecOptions): Promise<CommandResult>;
  /** Runs a command that has to succeed. @returns its standard output */
  run(argv: Argv, options?: ExecOptions): Promise<string>;
  spawn(argv: Argv, options?: ExecOptions): ChildProcess;
  readFile(path: string): Promise<string>;
  /** Writes a file, with the directories on the way. @param mode octal digits; default 644 */
  writeFile(path: string, content: string | Uint8Array, mode?: string): Promise<void>;
  /** Log entries with journald's field names, oldest first. */
  journal(query?: JournalQuery): Promise<ReadonlyArray<Readonly<Record<string, string>>>>;
  /** One property of a unit, such as MainPID, ActiveState, Result. */
  unit(name: string, property: string): Promise<string>;
  /** The pid by which this machine knows a process of the host. @throws Error where there is none */
  pidOutside(pid: number): number;
  /** `dnf install` by name. @returns what dnf said */
  install(...names: string[]): Promise<string>;
  /** Puts another RPM into the host's repository, for an upgrade. */
  offer(rpm: string): Promise<void>;
  /** What the host's console and the processes beside the host wrote, for a failure's message. */
  console(): Promise<string>;
  shutdown(): Promise<void>;
}

const BEDS = '/tmp/s3files-sftp-bed';
let lastNumber = 0;

/** Builds what is missing in the cache, boots a host, and starts its AWS beside it. */
export async function boot(options: BootOptions = {}): Promise<Bed> {
  const [root, stubs, python] = [await rootFileSystem(), await stubRepository(), await motoPython()];
  await sweep();
  lastNumber += 1;
  const name = `bed-${process.pid}-${lastNumber}`;
  const directory = join(BEDS, name);
  const product = join(directory, 'product');
  const fileSystems = options.beside ? dirname(options.beside.s3files.directory) : join(directory, 's3files');
  const backing = join(fileSystems, FILE_SYSTEM);
  await mkdir(product, { recursive: true });
  await mkdir(backing, { recursive: true });
  const log = await open(join(directory, 'console.log'), 'a');

  const started: Array<() => Promise<void>> = [];
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.once('exit', remove);
  const shutdown = async () => {
    for (const stop of started.splice(0).toReversed()) await stop();
    await log.close();
    await rm(directory, { recursive: true, force: true });
    process.off('exit', remove);
  };
  const offer = async (rpm: string) => {
    await copyFile(rpm, join(product, basename(rpm)));
    await indexRepository(product);
  };

  try {
    for (const rpm of options.packages ?? []) await copyFile(rpm, join(product, basename(rpm)));
    await indexRepository(product);
    const outside = await startOutside(directory, log.fd);
    started.push(async () => await kill(outside.child));
    const moto = startMoto(python, outside.netns, MOTO_PORT, log.fd);
    started.push(async () => await kill(moto));
    const machine = await startMachine({
      name,
      root,
      netns: outside.netns,
      logFd: log.fd,
      binds: [
        { from: fileSystems, to: '/srv/s3files' },
        // The same once more, for the FUSE daemon; see start_proxy in stand-in/mount.s3files.
        { from: fileSystems, to: '/srv/s3files,fuse' },
        { from: stubs, to: '/srv/repository/stubs', ro: true },
        { from: product, to: '/srv/repository/product', ro: true },
      ],
    });
    started.push(async () => await machine.stop());
    await waitForAws(outside, moto);
    const aws = createAws(directory, outside);
    started.push(async () => aws.destroy());
    const s3files = await createS3Files(backing, { machine, outside, aws });
    const host = hostCommands(machine);
    const clients = createClients(directory, outside.netns);
    return {
      bootSeconds: machine.bootSeconds,
      aws,
      s3files,
      clients,
      faults: createFaults(host),
      ...host,
      offer,
      console: async () => await readFile(join(directory, 'console.log'), 'utf8'),
      shutdown,
    };
  } catch (error) {
    const console = await readFile(join(directory, 'console.log'), 'utf8').catch(() => '');
    await shutdown();
    throw new Error(`the bed did not boot; its console said:\n${console.slice(-3000)}`, { cause: error });
  }
}

export type HostCommands = Omit<
  Bed,
  'bootSeconds' | 'aws' | 's3files' | 'clients' | 'faults' | 'offer' | 'console' | 'shutdown'
>;

/** What can be done in a booted host, in terms of running commands in it. */
function hostCommands({ exec, spawn, leader }: Machine): HostCommands {
  const run = async (argv: Argv, options?: ExecOptions): Promise<string> => {
    const { code, stdout, stderr } = await exec(argv, options);
    if (code !== 0)
      throw new Error(`in the host: ${argv.join(' ')}: exit ${code}\n${stderr || stdout}`.trim());
    return stdout;
  };
  return {
    exec,
    spawn,
    run,
    readFile: async (path) => await run(['cat', '--', path]),
    writeFile: async (path, content, mode = '644') => {
      const script = 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"';
      await run(['sh', '-c', script, 'sh', path, mode], { input: content });
    },
    journal: async ({ unit, identifier, namespace } = {}) => {
      const filters = [
        ...(unit === undefined ? [] : [`--unit=${unit}`]),
        ...(identifier === undefined ? [] : [`--identifier=${identifier}`]),
        ...(namespace === undefined ? [] : [`--namespace=${namespace}`]),
      ];
      const text = await run(['journalctl', '--output=json', '--no-pager', '--quiet', ...filters]);
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    },
    unit: async (name, property) =>
      (await run(['systemctl', 'show', '--value', `--property=${property}`, '--', name])).trim(),
    pidOutside: (pid) => pidOutside(leader, pid),
    install: async (...names) =>
      await run(['dnf', '--assumeyes', '--color=never', 'install', ...names], { timeoutMs: 120_000 }),
  };
}

async function waitForAws(outside: Outside, moto: ChildProcess): Promise<void> {
  await outside.ready;
  const listening = async () => {
    if (moto.exitCode !== null) throw new Error(`moto ended: ${moto.exitCode}`);
    return await outside.call<boolean>('isListening', MOTO_PORT);
  };
  await until('moto to listen', listening, { timeoutMs: 30_000 });
}

async function kill(child: ChildProcess): Promise<void> {
  killGroup(child);
  await ended(child);
}

/** Removes what beds of dead processes left behind: their directories and cgroups. Their processes died with them. */
async function sweep(): Promise<void> {
  for (const name of await readdir(BEDS).catch(() => [])) {
    const pid = /^bed-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !(await exists(`/proc/${pid}`))) {
      sweepMachine(name);
      await rm(join(BEDS, name), { recursive: true, force: true });
    }
  }
}
