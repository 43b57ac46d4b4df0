import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  type Argv,
  type CommandOptions,
  commandOk,
  ended,
  killGroup,
  spawnBound,
} from '../../bed/command.ts';
import type { Image } from './image.ts';
import { connectQmp, connectUnix } from './qmp.ts';

export interface VmOptions {
  readonly image: Image;
  /** A raw ext4 image with the packages that dnf installs from. */
  readonly repository: string;
  /** For the overlay disk and the sockets. */
  readonly directory: string;
  /** The path of the network namespace whose loopback the guest reaches as 10.0.2.2. */
  readonly netns: string;
  readonly logFd: number;
}

/** How a command in the guest ended. */
export interface GuestResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** When it began by the guest's clock, in seconds since 1970. */
  readonly began: number;
}

/** A virtual machine with a kernel of its own, and snapshots of its whole state. */
export interface Vm {
  /** Seconds from start until the guest carried out its first command. */
  readonly bootSeconds: number;
  exec(argv: Argv, options?: CommandOptions): Promise<GuestResult>;
  /** Runs a command that has to succeed. @returns its standard output */
  run(argv: Argv, options?: CommandOptions): Promise<string>;
  /** Runs a shell script that has to succeed. @param args its `$1`, `$2`, … */
  sh(script: string, ...args: readonly string[]): Promise<string>;
  writeFile(path: string, content: string, mode?: string): Promise<void>;
  /** Keeps the state of memory, devices and disk under a name; the guest stands still meanwhile. */
  save(name: string): Promise<void>;
  /** Goes back to a kept state. */
  load(name: string): Promise<void>;
  /** Begins anew from a kept state, also where the guest has switched itself off. */
  restart(name: string): Promise<void>;
  /** Resolves when the guest has switched itself off. */
  off(): Promise<void>;
  stop(): Promise<void>;
}

/** Room for fifty sessions beside a server and a client each; most of it stays untouched, and costs a snapshot nothing. */
const MEMORY_MIB = 3072;
const EXEC_MS = 60_000;
/** Past the guest's own deadline: the answer is on its way, or the guest is gone. */
const ANSWER_GRACE_MS = 20_000;

/** Boots a virtual machine under software emulation. @throws Error when it does not come up */
export async function startVm(options: VmOptions): Promise<Vm> {
  const started = performance.now();
  const overlay = join(options.directory, 'disk.qcow2');
  await commandOk([
    'qemu-img',
    'create',
    '-q',
    '-f',
    'qcow2',
    '-F',
    'raw',
    '-b',
    options.image.disk,
    overlay,
  ]);
  let emulator = await startEmulator(options, overlay);
  const exec: Executor['exec'] = async (...args) => await emulator.executor.exec(...args);
  const run = async (argv: Argv, execOptions?: CommandOptions) => {
    const { code, stdout, stderr } = await exec(argv, execOptions);
    if (code !== 0)
      throw new Error(`in the guest: ${argv.join(' ')}: exit ${code}\n${stderr || stdout}`.trim());
    return stdout;
  };
  return {
    bootSeconds: (performance.now() - started) / 1000,
    exec,
    run,
    sh: async (script, ...args) => await run(['sh', '-euc', script, 'sh', ...args]),
    writeFile: async (path, content, mode = '644') => {
      const script = 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"';
      await run(['sh', '-c', script, 'sh', path, mode], { input: content });
    },
    save: async (name) => await emulator.qmp.monitor(`savevm ${name}`),
    load: async (name) => await emulator.qmp.monitor(`loadvm ${name}`),
    restart: async (name) => {
      await emulator.stop();
      emulator = await startEmulator(options, overlay, name);
    },
    off: async () => await emulator.qmp.shutdown,
    stop: async () => await emulator.stop(),
  };
}

/** @param snapshot where to go on; without one the guest boots */
async function startEmulator(options: VmOptions, overlay: string, snapshot?: string) {
  const from = snapshot === undefined ? [] : ['-loadvm', snapshot];
  const argv: Argv = ['nsenter', `--net=${options.netns}`, '--', ...qemuArgv(options, overlay), ...from];
  const qemu = spawnBound(argv, { stdio: ['ignore', options.logFd, options.logFd] });
  const died = new Promise<never>((_, reject) =>
    qemu.once('exit', (code) => reject(new Error(`QEMU ended: ${code}`))),
  );
  died.catch(() => {});
  try {
    const qmp = await Promise.race([connectQmp(join(options.directory, 'qmp.sock')), died]);
    const executor = await connectExecutor(join(options.directory, 'executor.sock'));
    // One that goes on from a snapshot has greeted long ago.
    if (snapshot === undefined) await Promise.race([executor.ready, died]);
    const stop = async () => {
      qmp.close();
      killGroup(qemu);
      await ended(qemu);
    };
    return { qmp, executor, stop };
  } catch (error) {
    killGroup(qemu);
    throw error;
  }
}

function qemuArgv({ image, repository, directory }: VmOptions, overlay: string): Argv {
  return [
    'qemu-system-x86_64',
    ...['-name', 's3files-sftp', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-accel', 'tcg,thread=multi,tb-size=512', '-cpu', 'max', '-smp', '2', '-m', String(MEMORY_MIB)],
    ...['-kernel', image.kernel, '-initrd', image.initrd],
    ...[
      '-append',
      'root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 mitigations=off systemd.show_status=0',
    ],
    ...['-drive', `file=${overlay},format=qcow2,if=virtio,cache=unsafe,discard=unmap`],
    ...['-drive', `file=${repository},format=raw,if=virtio,readonly=on`],
    ...['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='],
    ...['-device', 'virtio-rng-pci', '-device', 'virtio-serial-pci'],
    ...['-chardev', `socket,id=executor,path=${join(directory, 'executor.sock')},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=executor,name=bed'],
    ...['-qmp', `unix:${join(directory, 'qmp.sock')},server=on,wait=off`],
    ...['-serial', `file:${join(directory, 'serial.log')}`],
  ];
}

type Executor = Awaited<ReturnType<typeof connectExecutor>>;

/** The test's end of guest/executor.py. */
async function connectExecutor(path: string) {
  const socket = await connectUnix(path);
  socket.on('error', () => {});
  const waiting = new Map<number, (answer: GuestResult) => void>();
  let lastId = 0;
  const ready = new Promise<void>((resolve) => waiting.set(0, () => resolve()));
  createInterface({ input: socket }).on('line', (line) => {
    const { id, ...answer } = JSON.parse(line) as GuestResult & { id: number };
    waiting.get(id)?.(answer);
    waiting.delete(id);
  });
  const exec = async (
    argv: Argv,
    { input = '', timeoutMs = EXEC_MS }: CommandOptions = {},
  ): Promise<GuestResult> => {
    lastId += 1;
    const id = lastId;
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(id);
        reject(new Error(`the guest does not answer: ${argv.join(' ')}`));
      }, timeoutMs + ANSWER_GRACE_MS);
      waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      const request = { id, argv, input: String(input), timeout: timeoutMs / 1000 };
      socket.write(`${JSON.stringify(request)}\n`);
    });
  };
  return { exec, ready };
}
