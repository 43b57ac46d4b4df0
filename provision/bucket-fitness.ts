import { Stack, Token } from 'aws-cdk-lib';
import { CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { PropFault } from './prop-fault.ts';
import type { ResolvedProps } from './props.ts';

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
export function bucketFaults({
  bucket,
  kmsKey,
  prefix,
}: Pick<ResolvedProps, 'bucket' | 'kmsKey' | 'prefix'>): PropFault[] {
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
  for (const rule of rulesThatTakeAway(resource, prefix)) {
    fault(
      `has a lifecycle rule (${rule}) that expires or archives current objects, which are partners’ files; limit it to another prefix, or to versions`,
    );
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

/** Classes that take hours to read, and S3 Files can't. */
const ARCHIVES: ReadonlySet<unknown> = new Set(['GLACIER', 'DEEP_ARCHIVE']);

/**
 * The rules of an app's own bucket, as far as it has them by now, that reach all current objects below the prefix. One
 * for a part of it, or for tagged objects, is somebody's decision. (bucket-check.py does the same for other buckets.)
 * @returns their ids
 */
function rulesThatTakeAway(resource: CfnBucket, prefix: string): string[] {
  const { rules = [] }: { rules?: CfnBucket.RuleProperty[] } =
    Stack.of(resource).resolve(resource.lifecycleConfiguration) ?? {};
  return rules
    .filter(
      (rule) =>
        rule.status === 'Enabled' &&
        rule.tagFilters === undefined &&
        prefix.startsWith(rule.prefix ?? '') &&
        (rule.expirationInDays !== undefined ||
          rule.expirationDate !== undefined ||
          [rule.transitions ?? []].flat().some((move) => ARCHIVES.has(setting(move, 'storageClass')))),
    )
    .map(({ id }) => id ?? 'without id');
}
