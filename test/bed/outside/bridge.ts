import { connect, createServer, type Socket } from 'node:net';

/**
 * Lets a test reach a TCP port of the bed's network through a Unix socket: the first line is JSON
 * `{"port": 2222, "localAddress"?: "127.0.0.2"}`, everything after it is the connection.
 */
export async function startBridge(socketPath: string): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (near) => {
    let head = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf(10);
      if (end < 0) return;
      near.off('data', onData);
      near.pause();
      join(near, JSON.parse(head.subarray(0, end).toString()), head.subarray(end + 1));
    };
    near.on('data', onData);
    near.on('error', () => near.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
}

function join(
  near: Socket,
  { port, localAddress }: { port: number; localAddress?: string },
  early: Buffer,
): void {
  const far = connect({
    port,
    host: '127.0.0.1',
    allowHalfOpen: true,
    ...(localAddress !== undefined && { localAddress }),
  });
  far.write(early);
  near.pipe(far);
  far.pipe(near);
  far.on('error', () => near.destroy());
  far.once('close', () => near.destroy());
  // A cut connection is cut on the other side too.
  near.once('close', () => far.destroy());
}
