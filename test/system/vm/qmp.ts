import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { until } from '../../bed/command.ts';

/** QEMU's own control socket (QMP). */
export interface Qmp {
  /** A command of the human monitor, such as `savevm idle`. @throws Error with what QEMU complains about */
  monitor(line: string): Promise<void>;
  /** Resolves when the guest has switched itself off. */
  readonly shutdown: Promise<void>;
  close(): void;
}

/** Connects to a Unix socket that may not be there yet. */
export async function connectUnix(path: string): Promise<Socket> {
  const attempt = () =>
    new Promise<Socket | undefined>((resolve) => {
      const socket = connect(path);
      socket.once('connect', () => resolve(socket));
      socket.once('error', () => resolve(undefined));
    });
  return await until(`the socket ${path}`, attempt, { timeoutMs: 20_000 });
}

/** @param path QEMU's socket */
export async function connectQmp(path: string): Promise<Qmp> {
  const socket = await connectUnix(path);
  let settle: ((reply: { return?: unknown; error?: { desc: string } }) => void) | undefined;
  let poweredOff: () => void = () => {};
  const shutdown = new Promise<void>((resolve) => {
    poweredOff = resolve;
  });
  createInterface({ input: socket }).on('line', (line) => {
    const message = JSON.parse(line);
    if (message.event === 'SHUTDOWN') poweredOff();
    if ('return' in message || 'error' in message) settle?.(message);
  });
  socket.on('error', () => {});
  const call = async (execute: string, args: object = {}): Promise<unknown> => {
    const reply = await new Promise<{ return?: unknown; error?: { desc: string } }>((resolve) => {
      settle = resolve;
      socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    });
    if (reply.error !== undefined) throw new Error(`QEMU: ${execute}: ${reply.error.desc}`);
    return reply.return;
  };
  await call('qmp_capabilities');
  return {
    monitor: async (line) => {
      const said = String(await call('human-monitor-command', { 'command-line': line })).trim();
      if (said !== '') throw new Error(`QEMU: ${line}: ${said}`);
    },
    shutdown,
    close: () => socket.destroy(),
  };
}
