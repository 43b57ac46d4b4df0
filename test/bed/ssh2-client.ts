import { readFile } from 'node:fs/promises';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { Client, type SFTPWrapper } from 'ssh2';
import { BRIDGE_SOCKET } from './outside/protocol.ts';

/** An SFTP session of ssh2. Every call rejects with the server's error, or when the connection is gone. */
export interface Ssh2Session {
  put(path: string, content: string | Uint8Array): Promise<void>;
  /** Writes the beginning of a file and leaves it open: for cutting an upload half-way. */
  begin(path: string, content: Uint8Array): Promise<OpenUpload>;
  get(path: string): Promise<Buffer>;
  /** The protocol's own rename, which fails where the new name exists. */
  rename(from: string, to: string): Promise<void>;
  /** OpenSSH's extension, which replaces. */
  posixRename(from: string, to: string): Promise<void>;
  list(path: string): Promise<readonly string[]>;
  remove(path: string): Promise<void>;
  mkdir(path: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  /** Whatever else ssh2 can do. */
  readonly raw: SFTPWrapper;
  /** Drops the connection without a word, as a lost network would. */
  cut(): void;
  /** Ends the session politely. */
  end(): void;
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
}

export interface OpenUpload {
  write(content: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

interface Target {
  readonly user: string;
  readonly keyPath: string;
  readonly port: number;
  readonly localAddress?: string;
}

const CHUNK = 32_768;

/** Logs in through the bed's bridge. @throws Error when refused, or when nobody listens */
export async function connectSsh2(directory: string, { user, keyPath, ...to }: Target): Promise<Ssh2Session> {
  const privateKey = await readFile(keyPath);
  const sock = connectSocket(join(directory, BRIDGE_SOCKET));
  sock.write(`${JSON.stringify(to)}\n`);
  const client = new Client();
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  // A broken connection shows in the calls that it breaks, and in `closed`; it may tell more than one error.
  client.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve);
    client.once('error', reject);
    client.once('close', () => reject(new Error(`connection closed before ${user} was logged in`)));
    client.connect({ sock, username: user, privateKey, readyTimeout: 15_000, hostVerifier: () => true });
  });
  const gone = closed.then(() => Promise.reject(new Error('connection closed')));
  gone.catch(() => {});
  /** ssh2 never answers calls that were under way when the connection broke. */
  const call = async <T>(
    start: (done: (error: Error | null | undefined, value: T) => void) => void,
  ): Promise<T> => {
    const answer = new Promise<T>((resolve, reject) => {
      start((error, value) => (error ? reject(error) : resolve(value)));
    });
    return await Promise.race([answer, gone]);
  };
  const raw = await call<SFTPWrapper>((done) => client.sftp(done));

  const begin = async (path: string, content: Uint8Array): Promise<OpenUpload> => {
    const handle = await call<Buffer>((done) => raw.open(path, 'w', done));
    let position = 0;
    const write = async (bytes: Uint8Array) => {
      for (let start = 0; start < bytes.length; start += CHUNK) {
        const chunk = Buffer.from(bytes.subarray(start, start + CHUNK));
        await call<void>((done) =>
          raw.write(handle, chunk, 0, chunk.length, position, (error) => done(error)),
        );
        position += chunk.length;
      }
    };
    await write(content);
    return {
      write,
      close: async () => await call<void>((done) => raw.close(handle, (error) => done(error))),
    };
  };

  return {
    raw,
    closed,
    begin,
    put: async (path, content) =>
      await call<void>((done) => raw.writeFile(path, Buffer.from(content), (e) => done(e))),
    get: async (path) => await call<Buffer>((done) => raw.readFile(path, done)),
    rename: async (from, to) => await call<void>((done) => raw.rename(from, to, (error) => done(error))),
    posixRename: async (from, to) =>
      await call<void>((done) => raw.ext_openssh_rename(from, to, (error) => done(error))),
    list: async (path) => {
      const entries = await call<ReadonlyArray<{ filename: string }>>((done) => raw.readdir(path, done));
      return entries.map(({ filename }) => filename);
    },
    remove: async (path) => await call<void>((done) => raw.unlink(path, (error) => done(error))),
    mkdir: async (path) => await call<void>((done) => raw.mkdir(path, (error) => done(error))),
    symlink: async (target, path) =>
      await call<void>((done) => raw.symlink(target, path, (error) => done(error))),
    cut: () => sock.destroy(),
    end: () => client.end(),
  };
}
