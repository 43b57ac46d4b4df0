import { createReadStream } from 'node:fs';
import { request } from 'node:http';
import { MOTO_PORT } from './protocol.ts';

const ANSWER_TIMEOUT_MS = 60_000;

/**
 * One request to moto, which checks no signatures but wants to see one.
 * @param file what is put, with its size in bytes
 * @throws Error when moto refuses it, says nothing, or the file became shorter meanwhile
 */
export async function send(
  method: 'PUT' | 'DELETE',
  path: string,
  file?: { readonly path: string; readonly size: number },
  port = MOTO_PORT,
): Promise<void> {
  const size = file?.size ?? 0;
  const headers = {
    authorization:
      'AWS4-HMAC-SHA256 Credential=s3files/20260101/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=0',
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    'content-length': size,
  };
  await new Promise<void>((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
      answer.resume();
      answer.once('end', () => {
        if ((answer.statusCode ?? 500) < 300) resolve();
        else reject(new Error(`${method} ${path}: ${answer.statusCode}`));
      });
    });
    outgoing.setTimeout(ANSWER_TIMEOUT_MS, () => outgoing.destroy(new Error('no answer')));
    // It may tell more than one error.
    outgoing.on('error', reject);
    if (file === undefined || size === 0) {
      outgoing.end();
      return;
    }
    const content = createReadStream(file.path, { end: size - 1 });
    content.once('error', (error) => outgoing.destroy(error));
    // Of a file that is cut while it is read, moto would wait for the rest for ever.
    content.once('end', () => {
      if (content.bytesRead < size) outgoing.destroy(new Error(`it became shorter than ${size} bytes`));
    });
    content.pipe(outgoing);
  });
}
