import { CloudWatchClient, GetMetricStatisticsCommand, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  PutSecretValueCommand,
  ResourceExistsException,
  RestoreSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { clientOptions, REGION } from './aws-client.ts';
import type { Call, Fault } from './outside/protocol.ts';
import type { Outside } from './outside.ts';

export const NAMESPACE = 'S3FilesSftp';

/** One version of an object, or a delete marker, newest first. */
export interface ObjectVersion {
  readonly key: string;
  readonly versionId: string;
  readonly deleted: boolean;
  readonly bytes: number;
  /** MD5 of an object that was put in one piece; empty for a delete marker. */
  readonly etag: string;
  readonly latest: boolean;
}

export interface Datapoint {
  readonly at: number;
  readonly sum: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly samples: number;
}

/** AWS as a test sees it. Faults hit what the host calls, never what the test calls. */
export interface Aws {
  /** Creates a secret, or gives it a new value. Anything but a string is sent as JSON. */
  putSecret(name: string, value: unknown): Promise<void>;
  /** Marks a secret deleted (DeletedDate), or removes it without a trace. */
  deleteSecret(name: string, options?: { force: boolean }): Promise<void>;
  /** Takes back the deletion of a secret that was only marked. */
  restoreSecret(name: string): Promise<void>;
  /** A metric's datapoints by minute, over all dimensions. */
  metric(name: string): Promise<readonly Datapoint[]>;
  /** The sum of everything that was published under a name; 0 where nothing was. */
  metricSum(name: string): Promise<number>;
  createBucket(bucket: string): Promise<void>;
  objectBytes(bucket: string, key: string, versionId?: string): Promise<Buffer>;
  /** All current keys below a prefix. */
  keys(bucket: string, prefix?: string): Promise<readonly string[]>;
  versions(bucket: string, prefix?: string): Promise<readonly ObjectVersion[]>;
  fault(fault: Fault): Promise<void>;
  clearFaults(): Promise<void>;
  /** Connections to AWS are refused until `reachable`. */
  unreachable(): Promise<void>;
  reachable(): Promise<void>;
  /** What the host has called so far, or of one operation. */
  calls(operation?: string): Promise<readonly Call[]>;
  /** For a client of the test's own, of any AWS SDK package. */
  readonly clientOptions: ReturnType<typeof clientOptions>;
  destroy(): void;
}

/** @param directory the bed's, with the socket of AWS's front door */
export function createAws(directory: string, outside: Outside): Aws {
  const options = clientOptions(directory);
  const secrets = new SecretsManagerClient(options);
  const cloudwatch = new CloudWatchClient(options);
  const s3 = new S3Client({ ...options, forcePathStyle: true });

  const metric = async (name: string): Promise<readonly Datapoint[]> => {
    const { Metrics = [] } = await cloudwatch.send(
      new ListMetricsCommand({ Namespace: NAMESPACE, MetricName: name }),
    );
    const distinct = new Map(Metrics.map((each) => [JSON.stringify(each.Dimensions), each.Dimensions]));
    const points: Datapoint[] = [];
    for (const dimensions of distinct.values()) {
      const { Datapoints = [] } = await cloudwatch.send(
        new GetMetricStatisticsCommand({
          Namespace: NAMESPACE,
          MetricName: name,
          ...(dimensions && { Dimensions: dimensions }),
          StartTime: new Date(Math.floor(Date.now() / MINUTE) * MINUTE - 3 * 60 * MINUTE),
          EndTime: new Date(Date.now() + 5 * MINUTE),
          Period: 60,
          Statistics: ['Sum', 'Minimum', 'Maximum', 'SampleCount'],
        }),
      );
      for (const { Timestamp, Sum = 0, Minimum = 0, Maximum = 0, SampleCount = 0 } of Datapoints) {
        points.push({
          at: Timestamp?.getTime() ?? 0,
          sum: Sum,
          minimum: Minimum,
          maximum: Maximum,
          samples: SampleCount,
        });
      }
    }
    return points.sort((a, b) => a.at - b.at);
  };

  return {
    putSecret: async (name, value) => {
      const SecretString = typeof value === 'string' ? value : JSON.stringify(value);
      try {
        await secrets.send(new CreateSecretCommand({ Name: name, SecretString }));
      } catch (error) {
        if (!(error instanceof ResourceExistsException)) throw error;
        await secrets.send(new PutSecretValueCommand({ SecretId: name, SecretString }));
      }
    },
    deleteSecret: async (name, { force } = { force: false }) => {
      await secrets.send(
        new DeleteSecretCommand({ SecretId: name, ...(force && { ForceDeleteWithoutRecovery: true }) }),
      );
    },
    restoreSecret: async (name) => {
      await secrets.send(new RestoreSecretCommand({ SecretId: name }));
    },
    metric,
    metricSum: async (name) => (await metric(name)).reduce((sum, point) => sum + point.sum, 0),
    createBucket: async (bucket) => {
      await s3.send(
        new CreateBucketCommand({
          Bucket: bucket,
          CreateBucketConfiguration: { LocationConstraint: REGION },
        }),
      );
      await s3.send(
        new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }),
      );
    },
    objectBytes: async (bucket, key, versionId) => {
      const { Body } = await s3.send(
        new GetObjectCommand({ Bucket: bucket, Key: key, ...(versionId && { VersionId: versionId }) }),
      );
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    },
    keys: async (bucket, prefix = '') => {
      const keys: string[] = [];
      for (let token: string | undefined; ; ) {
        const page = await s3.send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: prefix,
            ...(token && { ContinuationToken: token }),
          }),
        );
        keys.push(...(page.Contents ?? []).flatMap(({ Key }) => Key ?? []));
        token = page.NextContinuationToken;
        if (token === undefined) return keys;
      }
    },
    versions: async (bucket, prefix = '') => {
      const all: (ObjectVersion & { readonly at: number })[] = [];
      for (let marker: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {}; marker; ) {
        const page: ListObjectVersionsCommandOutput = await s3.send(
          new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix, ...marker }),
        );
        const { Versions = [], DeleteMarkers = [], IsTruncated, NextKeyMarker, NextVersionIdMarker } = page;
        const markers = DeleteMarkers.map((each) => ({ ...each, Size: 0, ETag: '' }));
        for (const each of [...Versions, ...markers]) {
          const { Key = '', VersionId = '', IsLatest = false, LastModified, Size = 0, ETag = '' } = each;
          all.push({
            key: Key,
            versionId: VersionId,
            deleted: ETag === '',
            bytes: Size,
            etag: ETag.replaceAll('"', ''),
            latest: IsLatest,
            at: LastModified?.getTime() ?? 0,
          });
        }
        const next = { ...(NextKeyMarker && { KeyMarker: NextKeyMarker }) };
        marker = IsTruncated
          ? { ...next, ...(NextVersionIdMarker && { VersionIdMarker: NextVersionIdMarker }) }
          : undefined;
      }
      return all.sort((a, b) => b.at - a.at);
    },
    fault: async (fault) => await outside.call('fault', fault),
    clearFaults: async () => await outside.call('clearFaults'),
    unreachable: async () => await outside.call('close'),
    reachable: async () => await outside.call('open'),
    calls: async (operation) => {
      const calls = await outside.call<readonly Call[]>('calls');
      return operation === undefined ? calls : calls.filter((each) => each.operation === operation);
    },
    clientOptions: options,
    destroy: () => {
      for (const client of [secrets, cloudwatch, s3]) client.destroy();
    },
  };
}

const MINUTE = 60_000;
