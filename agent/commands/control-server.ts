import { chmod, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { codeOf, messageOf, OperationError } from '../operation-error.ts';
import type { ControlHandlers, ControlReply } from './control-protocol.ts';

/** Requests are a few words; whoever sends more is no command of ours. */
const MAX_BODY_BYTES = 64 * 1024;

/**
 * Serves the agent's commands over a Unix socket that only root can open (HTTP, so that any client can speak it:
 * `curl --unix-socket /run/s3files-sftp/control.sock http://agent/status`).
 * @returns a function that stops it
 * @throws OperationError when the socket can't be made
 */
export async function serveControl(
  path: string,
  handlers: ControlHandlers,
  signal: AbortSignal,
): Promise<void> {
  const server = createServer((request, response) => void answer(request, response, handlers));
  // A socket left by a killed agent is dead; systemd sees to it that there is only one agent.
  await unlink(path).catch(() => {});
  const umask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
    await chmod(path, 0o600);
  } catch (cause) {
    throw new OperationError({ op: 'listen on', target: path, hint: 'is /run/s3files-sftp there?' }, cause);
  } finally {
    process.umask(umask);
  }
  signal.addEventListener('abort', () => {
    server.close();
    server.closeAllConnections();
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  handlers: ControlHandlers,
): Promise<void> {
  const name = (request.url ?? '').slice(1);
  let reply: ControlReply<unknown>;
  try {
    const handler = Object.hasOwn(handlers, name) ? handlers[name as keyof ControlHandlers] : undefined;
    if (handler === undefined) throw new OperationError({ op: 'find command', target: name });
    reply = { ok: true, result: await handler(await bodyOf(request)) };
  } catch (cause) {
    const hint = cause instanceof OperationError ? cause.hint : undefined;
    const code = codeOf(cause);
    reply = { ok: false, error: messageOf(cause), ...(code && { code }), ...(hint && { hint }) };
  }
  response.writeHead(reply.ok ? 200 : 409, { 'content-type': 'application/json' });
  response.end(JSON.stringify(reply));
}

async function bodyOf(request: IncomingMessage): Promise<never> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new OperationError({ op: 'read', target: 'request' }, 'too long');
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  // Only root can have sent this, with this very program; handlers still check what they take from it.
  return (text === '' ? {} : JSON.parse(text)) as never;
}
