import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

/** A command line: always an array, never a shell string. */
export type Argv = readonly [string, ...string[]];

export interface CommandOptions {
  readonly input?: string | Uint8Array;
  /** The command and whatever it started are killed when this passes. Default: 60 s. */
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

/** How a command ended. A command that was killed has a code of 128 + the signal's number, as in a shell. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as it was, for what is not text. */
  readonly bytes: Buffer;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const SIGKILL_CODE = 137;

/** Runs a command on this machine to its end. Never throws for what the command says; see {@link commandOk}. */
export async function command(argv: Argv, options: CommandOptions = {}): Promise<CommandResult> {
  const [file, ...args] = argv;
  // A process group of its own: a deadline must reach the command behind nsenter, which a signal to nsenter doesn't.
  const child = spawn(file, args, {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.env && { env: options.env }),
    ...(options.cwd && { cwd: options.cwd }),
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');

  return await new Promise((resolve, reject) => {
    const settle = (code: number) => {
      clearTimeout(timer);
      const bytes = Buffer.concat(stdout);
      resolve({ code, stdout: bytes.toString(), stderr: Buffer.concat(stderr).toString(), bytes });
    };
    const timer = setTimeout(() => {
      killGroup(child);
      // It may hang in the kernel for good, on a mount that hangs: its end is not waited for.
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      stderr.push(Buffer.from(`\nno end after ${options.timeoutMs ?? DEFAULT_TIMEOUT_MS} ms: killed`));
      settle(SIGKILL_CODE);
    }, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code) => settle(code ?? SIGKILL_CODE));
  });
}

/** Like {@link command}, for one that has to succeed. @returns its standard output @throws Error with what it wrote */
export async function commandOk(argv: Argv, options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await command(argv, options);
  if (code !== 0) throw new Error(`${argv.join(' ')}: exit ${code}\n${stderr || stdout}`.trim());
  return stdout;
}

/**
 * Starts a process that lives as long as this one at most: the kernel signals it when this process dies, however it
 * dies, so nothing is left behind by a crash or by Ctrl-C.
 */
export function spawnBound(argv: Argv, { deathSignal = 'KILL', ...options }: BoundOptions): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', deathSignal, '--', ...argv], { detached: true, ...options });
}

export interface BoundOptions extends SpawnOptions {
  /** For a process that has something to end before it ends. Default: KILL. */
  readonly deathSignal?: 'KILL' | 'TERM';
}

/** Kills a child and everything in its process group. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // gone already
  }
}

/** Resolves when a child has ended; at once where it has. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  await new Promise((resolve) => child.once('exit', resolve));
}

/** Resolves when a child has ended and all that it said is read: the last of it can come after its end. */
export async function saidAll(child: ChildProcess): Promise<void> {
  const closed = new Promise((resolve) => child.once('close', resolve));
  await ended(child);
  // What it started may hold its pipes for longer.
  await Promise.race([closed, sleep(5_000)]);
}

/** Resolves after so many milliseconds. */
export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Asks again and again until the answer is neither undefined nor false.
 * @throws Error after the deadline, with what was waited for and the last error
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs = 10_000, everyMs = 25 } = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let lastError: unknown;
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms in vain: ${what}`, { cause: lastError });
    }
    await sleep(everyMs);
  }
}
