import { request } from 'node:http';
import { codeOf, OperationError } from '../operation-error.ts';
import { CONTROL_PATH } from '../status.ts';
import type { ControlHandlers, ControlReply } from './control-protocol.ts';

/** A sync of ten thousand users takes well under this. */
const TIMEOUT_MS = 120_000;

/**
 * Asks the running agent.
 * @param name the request, with its arguments
 * @returns its result
 * @throws OperationError when the agent is not running, may not be asked by this user, or refuses
 */
export async function ask<Name extends keyof ControlHandlers>(
  name: Name,
  args: Parameters<ControlHandlers[Name]>[0],
  path: string = CONTROL_PATH,
): Promise<Awaited<ReturnType<ControlHandlers[Name]>>> {
  const text = await post(path, name, JSON.stringify(args));
  const reply: ControlReply<Awaited<ReturnType<ControlHandlers[Name]>>> = JSON.parse(text);
  if (reply.ok) return reply.result;
  throw new OperationError(
    { op: 'ask the agent for', target: name, ...(reply.hint && { hint: reply.hint }) },
    reply.error,
  );
}

function post(socketPath: string, name: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) =>
      reject(new OperationError({ op: 'ask the agent at', target: socketPath, hint: hintOf(cause) }, cause));
    const call = request(
      { socketPath, path: `/${name}`, method: 'POST', timeout: TIMEOUT_MS },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.once('end', () => resolve(text));
        response.once('error', fail);
      },
    );
    call.once('timeout', () => call.destroy(new Error(`no answer after ${TIMEOUT_MS / 1000} s`)));
    call.once('error', fail);
    call.end(body);
  });
}

function hintOf(cause: Error): string {
  switch (codeOf(cause)) {
    case 'EACCES':
      return 'only root may command the agent: use sudo';
    case 'ENOENT':
    case 'ECONNREFUSED':
      return 'the agent is not running: systemctl status s3files-sftp-agent';
    default:
      return 'look at: journalctl -u s3files-sftp-agent';
  }
}
