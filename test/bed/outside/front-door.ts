import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { AWS_PORT, type Call, type Fault, MOTO_PORT } from './protocol.ts';

/**
 * AWS's front door: passes requests on to moto, unless a test asked for a fault. What the host calls comes in by
 * TCP and is recorded; what tests call comes in by a Unix socket, and no fault hits it.
 */
export interface FrontDoor {
  open(): Promise<void>;
  close(): Promise<void>;
  fault(fault: Fault): void;
  clearFaults(): void;
  calls(): readonly Call[];
}

export async function createFrontDoor(socketPath: string): Promise<FrontDoor> {
  let faults: Fault[] = [];
  const calls: Call[] = [];
  const sockets = new Set<Socket>();

  const takeFault = (operation: string): Fault | undefined => {
    const fault = faults.find((each) => each.operation === operation || each.operation === '*');
    if (fault?.after !== undefined && fault.after > 0) {
      faults = faults.map((each) => (each === fault ? { ...fault, after: (fault.after ?? 0) - 1 } : each));
      return undefined;
    }
    if (fault?.count === undefined) return fault;
    const rest = fault.count > 1 ? [{ ...fault, count: fault.count - 1 }] : [];
    faults = faults.flatMap((each) => (each === fault ? rest : [each]));
    return fault;
  };
  const record = async (
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    body: Promise<Buffer | undefined>,
  ) => {
    const operation = operationOf(incoming);
    const at = Date.now();
    outgoing.once('close', () => {
      const status = outgoing.writableFinished ? outgoing.statusCode : null;
      const ms = Date.now() - at;
      void body.then((bytes) => {
        calls.push({
          operation,
          at,
          ms,
          status,
          ...(operation === 'PutMetricData' && { body: decode(incoming, bytes) }),
        });
      });
    });
    return operation;
  };
  const fromHost = createServer((incoming, outgoing) => {
    const body = collect(incoming);
    void record(incoming, outgoing, body).then((operation) => {
      pass(incoming, outgoing, body, takeFault(operation), operation);
    });
  });
  fromHost.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const fromTests = createServer((incoming, outgoing) => forward(incoming, outgoing, collect(incoming)));
  await listen(fromTests, { path: socketPath });

  return {
    open: async () => {
      if (!fromHost.listening) await listen(fromHost, { port: AWS_PORT, host: '127.0.0.1' });
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => fromHost.close(resolve));
    },
    fault: (fault) => {
      faults.push(fault);
    },
    clearFaults: () => {
      faults = [];
    },
    calls: () => calls,
  };
}

function pass(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  body: Promise<Buffer | undefined>,
  fault: Fault | undefined,
  operation: string,
): void {
  switch (fault?.kind) {
    case undefined:
      forward(incoming, outgoing, body);
      break;
    case 'delay':
      setTimeout(() => forward(incoming, outgoing, body), fault?.delayMs ?? 1000);
      break;
    case 'lose-answer':
      forward(incoming, outgoing, body, (answer) => {
        answer.resume().once('end', () => incoming.socket.destroy());
      });
      break;
    case 'cut':
      incoming.socket.destroy();
      break;
    case 'hang':
      break;
    case 'throttle':
      refuse(incoming, outgoing, 'ThrottlingException', 'Rate exceeded');
      break;
    case 'deny':
      if (fault?.secrets) {
        const { secrets } = fault;
        forward(incoming, outgoing, body, (answer) => void denySecrets(answer, outgoing, secrets));
        break;
      }
      refuse(incoming, outgoing, 'AccessDeniedException', `not authorized to perform: ${operation}`);
      break;
    case 'error':
      refuse(incoming, outgoing, 'InternalFailure', 'internal error');
      break;
  }
}

function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  body: Promise<Buffer | undefined>,
  instead?: (answer: IncomingMessage) => void,
): void {
  const { method, headers, url } = incoming;
  void body.then((bytes) => {
    if (bytes === undefined) return;
    const upstream = request({ host: '127.0.0.1', port: MOTO_PORT, method, path: url, headers }, (answer) => {
      if (instead) {
        instead(answer);
        return;
      }
      // The host's process died, or its connection was cut, while AWS was at work.
      if (outgoing.destroyed) {
        answer.resume();
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      pipeline(answer, outgoing, () => {});
    });
    upstream.on('error', () => incoming.socket.destroy());
    upstream.end(bytes);
  });
}

/** BatchGetSecretValue's way of denying some of what was asked for. */
async function denySecrets(
  answer: IncomingMessage,
  outgoing: ServerResponse,
  denied: readonly string[],
): Promise<void> {
  const bytes = await collect(answer);
  const { SecretValues = [], Errors = [] } = JSON.parse(bytes?.toString() ?? '{}');
  const isDenied = ({ Name }: { Name: string }) => denied.includes(Name);
  const errors = SecretValues.filter(isDenied).map(({ Name }: { Name: string }) => ({
    SecretId: Name,
    ErrorCode: 'AccessDeniedException',
    Message: 'not authorized to perform: secretsmanager:GetSecretValue',
  }));
  outgoing.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
  const rest = SecretValues.filter((value: { Name: string }) => !isDenied(value));
  outgoing.end(JSON.stringify({ SecretValues: rest, Errors: [...Errors, ...errors] }));
}

/** The JSON protocols carry the error's name in the body; S3 answers in XML under names of its own. */
function refuse(incoming: IncomingMessage, outgoing: ServerResponse, type: string, message: string): void {
  const statuses: Record<string, number> = { AccessDeniedException: 403, InternalFailure: 500 };
  if (incoming.headers['x-amz-target'] !== undefined) {
    const status = type === 'InternalFailure' ? 500 : 400;
    outgoing.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-errortype': type });
    outgoing.end(JSON.stringify({ __type: type, message }));
    return;
  }
  const names: Record<string, string> = {
    ThrottlingException: 'SlowDown',
    AccessDeniedException: 'AccessDenied',
  };
  outgoing.writeHead(statuses[type] ?? 503, { 'content-type': 'application/xml' });
  const xml = `<Error><Code>${names[type] ?? 'InternalError'}</Code><Message>${message}</Message></Error>`;
  outgoing.end(incoming.method === 'HEAD' ? undefined : xml);
}

/** AWS's name of what a request asks for; S3's are told by method and path. */
function operationOf({ headers, method = 'GET', url = '/' }: IncomingMessage): string {
  const target = headers['x-amz-target'];
  if (typeof target === 'string') return target.split('.').at(-1) ?? target;
  const [path = '/', query = ''] = url.split('?');
  const hasKey = path.split('/').filter(Boolean).length > 1;
  if (!hasKey) return query.includes('versions') ? 'ListObjectVersions' : `${verb(method)}Bucket`;
  return `${verb(method)}Object`;
}

function verb(method: string): string {
  return method.charAt(0) + method.slice(1).toLowerCase();
}

function decode({ headers }: IncomingMessage, bytes: Buffer | undefined): unknown {
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse((headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString());
  } catch {
    return bytes.toString('latin1');
  }
}

/** A request's body, or undefined where its sender went away in the middle. */
async function collect(incoming: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks);
}

async function listen(
  server: Server,
  where: { path: string } | { port: number; host: string },
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, resolve);
  });
}
