import type { S3Client } from '@aws-sdk/client-s3';
import type { Config } from '../config.ts';
import { messageOf } from '../operation-error.ts';
import type { Sighting } from './delivery-plan.ts';
import type { Outstanding } from './state.ts';

/**
 * What following costs: one to two HeadObject requests an upload when exports take their usual minute, at $0.0004
 * per 1,000 (https://aws.amazon.com/s3/pricing/), so about $0.40 to $0.80 per million uploads.
 */
export interface Delivery {
  /** Asks S3 for an upload's object. Never throws: no answer is an answer of its own. */
  look(item: Outstanding, signal: AbortSignal): Promise<Sighting>;
  close(): void;
}

const CONNECTION_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** As many requests as are ever under way at once. */
export const MOST_REQUESTS = 16;

/** Where an upload's object is: the file system's prefix, then the path on the mount, whose chroots are user names. */
export function objectKey(prefix: string, item: Pick<Outstanding, 'user' | 'path'>): string {
  return `${prefix}${item.user}${item.path}`;
}

export function createDelivery(config: () => Config): Delivery {
  let client: S3Client | undefined;
  let loading: Promise<typeof import('@aws-sdk/client-s3')> | undefined;

  const connect = async () => {
    // Loaded at the first upload: 12 MB that an idle host never needs.
    loading ??= import('@aws-sdk/client-s3');
    const sdk = await loading;
    const { region } = config().aws;
    client ??= new sdk.S3Client({
      ...(region !== undefined && { region }),
      // Any other endpoint than AWS's own is unlikely to have a host name for each bucket.
      forcePathStyle: Boolean(process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL),
      maxAttempts: 2,
      requestHandler: {
        connectionTimeout: CONNECTION_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        throwOnRequestTimeout: true,
        httpAgent: { maxSockets: MOST_REQUESTS, keepAlive: true },
        httpsAgent: { maxSockets: MOST_REQUESTS, keepAlive: true },
      },
    });
    return { sdk, client };
  };

  return {
    look: async (item, signal) => {
      try {
        const { sdk, client } = await connect();
        const { bucket, prefix } = config().uploads;
        const command = new sdk.HeadObjectCommand({ Bucket: bucket, Key: objectKey(prefix, item) });
        const head = await client.send(command, { abortSignal: signal });
        return {
          kind: 'found',
          versionId: head.VersionId ?? null,
          etag: head.ETag?.replaceAll('"', '') ?? null,
          bytes: head.ContentLength ?? 0,
          modifiedAt: head.LastModified?.getTime() ?? 0,
        };
      } catch (cause) {
        return isAbsent(cause) ? { kind: 'absent' } : { kind: 'unknown', problem: problemOf(cause) };
      }
    },
    close: () => client?.destroy(),
  };
}

/** HeadObject has no body, so a missing object is told by its status alone, as a delete marker is. */
function isAbsent(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'NotFound';
}

function problemOf(cause: unknown): string {
  if (!(cause instanceof Error)) return messageOf(cause);
  const status =
    '$metadata' in cause ? (cause.$metadata as { httpStatusCode?: number }).httpStatusCode : undefined;
  if (status === 403)
    return 'access denied (HTTP 403): the role needs s3:GetObject on the objects and s3:ListBucket on the bucket';
  return status === undefined ? messageOf(cause) : `${cause.name} (HTTP ${status})`;
}
