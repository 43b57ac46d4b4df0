import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
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

/** What it takes before the file system may be made from the bucket. */
export interface ReadyBucket {
  readonly bucket: IBucket;
  /** Set where only a deployment can tell whether the bucket is versioned and has its rules. */
  readonly check?: BucketCheck;
}

/** The bucket behind the file system, its lifecycle always included: made here, completed, or checked. */
export function readyBucket(
  scope: Construct,
  props: Pick<ResolvedProps, 'bucket' | 'kmsKey' | 'noncurrentDays'>,
): ReadyBucket {
  if (props.bucket === undefined) return { bucket: createBucket(scope, props) };
  if (props.bucket instanceof Bucket && props.bucket.node.defaultChild instanceof CfnBucket) {
    for (const rule of lifecycleRules(props.noncurrentDays)) props.bucket.addLifecycleRule(rule);
    return { bucket: props.bucket as IBucket };
  }
  return { bucket: props.bucket, check: new BucketCheck(scope, 'BucketCheck', { bucket: props.bucket }) };
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
  Validations.of(bucket).acknowledge({
    id: 'AwsSolutions-S1',
    reason:
      'The agent logs each upload with its object key and version id; CloudTrail data events cover other access. Access logs would need a second bucket.',
  });
  return bucket as IBucket;
}
