import type { SFTPWrapper } from 'ssh2';
import type { Clients } from '../bed/clients.ts';
import { type OpenFile, type Program, programClient } from './program-client.ts';
import type { Client } from './step.ts';

const CHUNK = 32_768;
/** Requests under way at once, as ssh2's own fastPut has them. */
const PIPELINED = 16;

/** ssh2, as a program in Node.js uses it: many writes under way at once. */
export function ssh2Client(clients: Clients): Client {
  return programClient(async (login): Promise<Program> => {
    const session = await clients.connect(login);
    const { raw } = session;
    /** ssh2 never answers calls that were under way when the connection broke. */
    const call = async <T>(start: (done: (error: Error | null | undefined, value: T) => void) => void) =>
      await Promise.race([
        new Promise<T>((resolve, reject) => {
          start((error, value) => (error ? reject(error) : resolve(value)));
        }),
        session.closed.then(() => Promise.reject<T>(new Error('connection closed'))),
      ]);
    return {
      open: async (path, mode) =>
        openFile(raw, await call<Buffer>((done) => raw.open(path, mode, done)), call),
      get: async (path) => (await session.get(path)).length,
      rename: session.posixRename,
      remove: session.remove,
      mkdir: session.mkdir,
      breakOff: async () => session.cut(),
      end: async () => session.end(),
    };
  });
}

function openFile(
  raw: SFTPWrapper,
  handle: Buffer,
  call: <T>(start: (done: (error: Error | null | undefined, value: T) => void) => void) => Promise<T>,
): OpenFile {
  return {
    write: async (content, position) => {
      const bytes = Buffer.from(content);
      let next = 0;
      const sender = async () => {
        while (next < bytes.length) {
          const from = next;
          next += CHUNK;
          const size = Math.min(CHUNK, bytes.length - from);
          await call<void>((done) => raw.write(handle, bytes, from, size, position + from, (e) => done(e)));
        }
      };
      await Promise.all(Array.from({ length: PIPELINED }, sender));
    },
    close: async () => await call<void>((done) => raw.close(handle, (error) => done(error))),
  };
}
