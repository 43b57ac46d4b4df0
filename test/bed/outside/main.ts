import { connect } from 'node:net';
import { join } from 'node:path';
import { startBridge } from './bridge.ts';
import { type Exporter, startExporter } from './exporter.ts';
import { createFrontDoor } from './front-door.ts';
import {
  type Answer,
  AWS_SOCKET,
  BRIDGE_SOCKET,
  type ExporterOptions,
  type Fault,
  type Request,
} from './protocol.ts';

/**
 * The world outside of the host, as one process in the host's network namespace: AWS's front door, S3 Files'
 * exporter, and the way in for SFTP clients. Tests command it through Node's IPC channel.
 * Argument: the bed's directory, in which its sockets are made.
 */

const [directory = '.'] = process.argv.slice(2);
const door = await createFrontDoor(join(directory, AWS_SOCKET));
await startBridge(join(directory, BRIDGE_SOCKET));
await door.open();
const exporters = new Map<string, Exporter>();

const exporterOf = (fileSystem: unknown): Exporter => {
  const exporter = exporters.get(String(fileSystem));
  if (exporter === undefined) throw new Error(`no exporter for ${String(fileSystem)}`);
  return exporter;
};

const CALLS: Readonly<Record<string, (...args: readonly unknown[]) => unknown>> = {
  open: async () => await door.open(),
  close: async () => await door.close(),
  fault: (fault) => door.fault(fault as Fault),
  clearFaults: () => door.clearFaults(),
  calls: () => door.calls(),
  startExporter: (fileSystem, options) => {
    exporters.set(String(fileSystem), startExporter(options as ExporterOptions));
  },
  pauseExporter: (fileSystem, paused) => exporterOf(fileSystem).pause(paused === true),
  withhold: (fileSystem, keys) => exporterOf(fileSystem).withhold(keys as readonly string[]),
  setQuietMs: (fileSystem, quietMs) => exporterOf(fileSystem).setQuietMs(Number(quietMs)),
  isQuiet: async (fileSystem) => await exporterOf(fileSystem).isQuiet(),
  exportFailures: (fileSystem) => exporterOf(fileSystem).failures(),
  isListening: async (port) => await isListening(Number(port)),
};

process.on('message', (message) => {
  const { id, call, args } = message as Request;
  const answer = async (): Promise<Answer> => {
    try {
      return { id, value: await CALLS[call]?.(...args) };
    } catch (error) {
      return { id, error: error instanceof Error ? error.message : String(error) };
    }
  };
  void answer().then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit(0));
process.send?.({ id: 0 });

async function isListening(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
