import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  CfnBucket,
  type IBucket,
  type LifecycleRule,
} from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { BucketCheck } from './bucket-check.ts';
import type { ResolvedProps } from './props.ts';

/** An upload that was cut off leaves parts that are billed and seen by nobody. */
const ABANDONED_UPLOAD = Duration.days(7);

const BLOCKED: CfnBucket.PublicAccessBlockConfigurationProperty = {
  blockPublicAcls: true,
  blockPublicPolicy: true,
  ignorePublicAcls: true,
  restrictPublicBuckets: true,
};

/**
 * S3 Files needs versioning, so every overwrite keeps the old object and a delete only hides it: without these
 * rules the bucket grows for ever.
 */
function lifecycleRules(noncurrentDays: number): LifecycleRule[] {
  return [
    {
      id: 's3files-sftp-noncurrent-versions',
      enabled: true,
      noncurrentVersionExpiration: Duration.days(noncurrentDays),
    },
    { id: 's3files-sftp-delete-markers', enabled: true, expiredObjectDeleteMarker: true },
    {
      id: 's3files-sftp-abandoned-uploads',
      enabled: true,
      abortIncompleteMultipartUploadAfter: ABANDONED_UPLOAD,
    },
  ];
}

/**
 * Completes a bucket that the app makes itself, which prop-checks.ts has found fit: the lifecycle, TLS only, and no
 * public access where it said nothing about it.
 */
function complete(bucket: Bucket, resource: CfnBucket, noncurrentDays: number): void {
  for (const rule of lifecycleRules(noncurrentDays)) bucket.addLifecycleRule(rule);
  resource.publicAccessBlockConfiguration ??= BLOCKED;
  bucket.addToResourcePolicy(
    new PolicyStatement({
      sid: 'OnlyOverTls',
      effect: Effect.DENY,
      principals: [new AnyPrincipal()],
      actions: ['s3:*'],
      resources: [bucket.bucketArn, bucket.arnForObjects('*')],
      conditions: { Bool: { 'aws:SecureTransport': 'false' } },
    }),
  );
  keepPolicy(bucket);
}

/** The bucket outlives the stack, and so must what closes it to plain HTTP. */
function keepPolicy(bucket: Bucket): void {
  bucket.policy?.applyRemovalPolicy(RemovalPolicy.RETAIN);
}

/** What it takes before the file system may be made from the bucket. */
export interface ReadyBucket {
  readonly bucket: IBucket;
  /** Set where only a deployment can tell whether the bucket is versioned and has its rules. */
  readonly check?: BucketCheck;
}

/** The bucket behind the file system, made here, completed, or checked; none comes without its lifecycle. */
export function readyBucket(
  scope: Construct,
  props: Pick<ResolvedProps, 'bucket' | 'kmsKey' | 'noncurrentDays' | 'prefix'>,
): ReadyBucket {
  const { bucket, prefix, kmsKey } = props;
  if (bucket === undefined) return { bucket: createBucket(scope, props) };
  if (bucket instanceof Bucket && bucket.node.defaultChild instanceof CfnBucket) {
    complete(bucket, bucket.node.defaultChild, props.noncurrentDays);
    return { bucket: bucket as IBucket };
  }
  return { bucket, check: new BucketCheck(scope, 'BucketCheck', { bucket, prefix, kmsKey }) };
}

function createBucket(scope: Construct, props: Pick<ResolvedProps, 'kmsKey' | 'noncurrentDays'>): IBucket {
  const bucket = new Bucket(scope, 'Bucket', {
    versioned: true,
    ...(props.kmsKey
      ? { encryption: BucketEncryption.KMS, encryptionKey: props.kmsKey, bucketKeyEnabled: true }
      : { encryption: BucketEncryption.S3_MANAGED }),
    enforceSSL: true,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    lifecycleRules: lifecycleRules(props.noncurrentDays),
    // Partners' data outlives the stack.
    removalPolicy: RemovalPolicy.RETAIN,
  });
  keepPolicy(bucket);
  Validations.of(bucket).acknowledge({
    id: 'AwsSolutions-S1',
    reason:
      'The agent logs each upload with its object key and version id; CloudTrail data events cover other access. Access logs would need a second bucket.',
  });
  return bucket as IBucket;
}
