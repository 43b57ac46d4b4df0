import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Argv, CLEAN_ENVIRONMENT } from './exec.ts';

export interface Follower {
  readonly pid: number | undefined;
  /** Settles when the child has ended and its last line was delivered; says how it ended. Never rejects. */
  readonly ended: Promise<string>;
  /** Writes one line to the child's standard input. */
  write(line: string): void;
  /** Stops reading for as long as the consumer is behind; the pipe holds the child back. */
  pause(): void;
  resume(): void;
  /** SIGTERM, then SIGKILL after two seconds. */
  stop(): void;
}

export interface FollowOptions {
  readonly onLine: (line: string) => void;
  /** Called per line of standard error; by default it is dropped. */
  readonly onErrorLine?: (line: string) => void;
  readonly env?: Readonly<Record<string, string>>;
}

export type Follow = (argv: Argv, options: FollowOptions) => Follower;

const KILL_AFTER_MS = 2_000;

/** Starts a child that lives long and speaks in lines, such as `journalctl --follow`. */
export const follow: Follow = (argv, options) => {
  const [file, ...args] = argv;
  const child = spawn(file, args, {
    cwd: '/',
    env: { ...CLEAN_ENVIRONMENT, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY });
  lines.on('line', options.onLine);
  createInterface({ input: child.stderr }).on('line', (line) => options.onErrorLine?.(line));
  return {
    pid: child.pid,
    ended: endOf(child),
    write: (line) => child.stdin.write(`${line}\n`),
    pause: () => child.stdout.pause(),
    resume: () => child.stdout.resume(),
    stop: () => {
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS).unref();
    },
  };
};

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (cause) => resolve(cause.message));
    child.once('close', (code, signal) => resolve(code === null ? `killed by ${signal}` : `exit ${code}`));
  });
}
