import { Token } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { CfnBucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import type { PropFault } from './prop-fault.ts';

const ACCESS_SETTINGS = [
  'blockPublicAcls',
  'blockPublicPolicy',
  'ignorePublicAcls',
  'restrictPublicBuckets',
] as const;

/**
 * What is wrong with a bucket that the same app makes; what can be added to it (lifecycle, TLS only) is not a fault.
 * @returns nothing for a bucket from elsewhere, which only a deployment can look at (bucket-check.ts)
 */
export function bucketFaults(bucket: IBucket | undefined, kmsKey: IKey | undefined): PropFault[] {
  const resource = bucket?.node.defaultChild;
  if (bucket === undefined || !(resource instanceof CfnBucket)) return [];
  const faults: PropFault[] = [];
  const fault = (fix: string) => faults.push({ prop: 'bucket', value: resource.node.path, fix });

  if (setting(resource.versioningConfiguration, 'status') !== 'Enabled') {
    fault('is not versioned, which S3 Files requires; set versioned: true on it');
  }
  const access = resource.publicAccessBlockConfiguration;
  const open = ACCESS_SETTINGS.filter((name) => access !== undefined && setting(access, name) !== true);
  if (open.length > 0) {
    fault(
      `lets the public in (${open.join(', ')}); set blockPublicAccess: BlockPublicAccess.BLOCK_ALL on it`,
    );
  }
  if (resource.cfnOptions.deletionPolicy === 'Delete') {
    fault('would be deleted with the stack, and partners’ files with it; set removalPolicy: RETAIN on it');
  }
  const key = bucket.encryptionKey;
  if (key !== undefined && key.keyArn !== kmsKey?.keyArn) {
    faults.push({
      prop: 'kmsKey',
      value: kmsKey?.node.path,
      fix: `must be the key that encrypts the bucket, ${key.node.path}: S3 Files and the host need it`,
    });
  }
  return faults;
}

/** A setting of a part of a resource, `true` or text; a part that CloudFormation will compute is taken to be right. */
function setting(part: unknown, name: string): unknown {
  if (Token.isUnresolved(part)) return name === 'status' ? 'Enabled' : true;
  return typeof part === 'object' && part !== null
    ? (part as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
