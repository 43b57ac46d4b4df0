import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A command line: always an array, never a shell string. */
export type Argv = readonly [string, ...string[]];

export interface ExecOptions {
  /** Written to the child's standard input, which is then closed. */
  readonly input?: string;
  /** The child is SIGKILLed when this passes. */
  readonly timeoutMs?: number;
  /** Added to the clean environment that every child gets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Standard output past this is cut, and the child goes on. */
  readonly maxOutputBytes?: number;
  /** Told each piece of standard output as it comes. */
  readonly onStdout?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** How a child ended. A deadline is an outcome of its own: the child may still exist, stuck in the kernel. */
export type ExecResult =
  | { readonly outcome: 'exited'; readonly code: number; readonly stdout: string; readonly stderr: string }
  | {
      readonly outcome: 'signaled';
      readonly signal: string;
      readonly stdout: string;
      readonly stderr: string;
    }
  | {
      readonly outcome: 'timeout';
      readonly timeoutMs: number;
      readonly stdout: string;
      readonly stderr: string;
      /** Settles when the killed child is really gone; on a hung mount this may be never. */
      readonly reaped: Promise<void>;
    }
  | { readonly outcome: 'unstartable'; readonly cause: Error };

export type Exec = (argv: Argv, options?: ExecOptions) => Promise<ExecResult>;

/** Half a minute: no command of the agent's needs longer, except where it says so itself. */
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_OUTPUT_BYTES = 4 * 1024 * 1024;

/** Children see none of the agent's environment (credentials, NOTIFY_SOCKET), and speak English. */
export const CLEAN_ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC' } as const;

/**
 * Runs one command to its end, or kills it at its deadline. Never throws and never waits for a killed child:
 * a process that hangs on a dead mount ignores even SIGKILL until the mount is gone.
 */
export const exec: Exec = async (argv, options = {}) => {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const maxBytes = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
  const [file, ...args] = argv;
  const child = spawn(file, args, {
    // Never the agent's own directory: a child that inherits a path on a hung mount blocks its parent.
    cwd: '/',
    env: { ...CLEAN_ENVIRONMENT, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const stdout = collect(child.stdout, maxBytes);
  const stderr = collect(child.stderr, maxBytes);
  const { onStdout } = options;
  if (onStdout !== undefined) child.stdout.on('data', (chunk: Buffer) => onStdout(chunk.toString('utf8')));
  // A child that exits without reading its input makes the pipe fail; its exit status tells the story.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');

  return await new Promise<ExecResult>((resolve) => {
    const abandon = () => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      const gone = child.exitCode !== null || child.signalCode !== null;
      const reaped = gone ? Promise.resolve() : once(child, 'exit').then(() => {});
      resolve({ outcome: 'timeout', timeoutMs, stdout: stdout(), stderr: stderr(), reaped });
    };
    const timer = setTimeout(abandon, timeoutMs);
    if (options.signal?.aborted) abandon();
    options.signal?.addEventListener('abort', abandon, { once: true });
    const settle = (result: ExecResult) => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abandon);
      resolve(result);
    };
    child.once('error', (cause) => settle({ outcome: 'unstartable', cause }));
    child.once('close', (code, signal) => {
      const output = { stdout: stdout(), stderr: stderr() };
      if (code !== null) settle({ outcome: 'exited', code, ...output });
      else settle({ outcome: 'signaled', signal: signal ?? 'unknown', ...output });
    });
  });
};

/** Gathers a stream up to a limit; the rest is read and dropped, so that the child never blocks on a full pipe. */
function collect(stream: NodeJS.ReadableStream, maxBytes: number): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size >= maxBytes) return;
    chunks.push(chunk.subarray(0, maxBytes - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
