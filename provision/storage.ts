import { Stack } from 'aws-cdk-lib';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { CfnFileSystem, CfnFileSystemPolicy, CfnMountTarget } from 'aws-cdk-lib/aws-s3files';
import { Construct } from 'constructs';
import { readyBucket } from './bucket.ts';
import { grant } from './grant.ts';
import type { Network } from './network.ts';
import type { ResolvedProps } from './props.ts';
import { createSyncRole } from './sync-role.ts';

/** What a client may do on the file system; without root access root is nobody and can't own chroots. */
const CLIENT_ACTIONS = ['s3files:ClientMount', 's3files:ClientWrite', 's3files:ClientRootAccess'];

/**
 * Uploads are written once and rarely read through the mount, and the fast storage costs $0.30 per GB and month:
 * a day after its last reading, data that S3 has leaves it. The default would be 30 days.
 */
const EXPIRE_DAYS = 1;
/** S3 Files' own default: small files come along when their directory is first listed. */
const IMPORT_BELOW_BYTES = 128 * 1024;

export interface StorageProps
  extends Pick<ResolvedProps, 'bucket' | 'kmsKey' | 'noncurrentDays' | 'prefix' | 'purge'> {
  readonly network: Network;
}

/** Bucket ← S3 Files file system ← a mount target in each subnet. */
export class Storage extends Construct {
  readonly bucket: IBucket;
  readonly fileSystemId: string;
  readonly #fileSystem: CfnFileSystem;
  readonly #mountTargets: readonly CfnMountTarget[];
  #mountPolicy: CfnFileSystemPolicy | undefined;
  readonly #props: StorageProps;

  constructor(scope: Construct, id: string, props: StorageProps) {
    super(scope, id);
    this.#props = props;
    const { bucket, check } = readyBucket(this, props);
    const syncRole = createSyncRole(this, bucket, props.kmsKey);
    this.bucket = bucket;
    this.#fileSystem = new CfnFileSystem(this, 'FileSystem', {
      bucket: bucket.bucketArn,
      roleArn: syncRole.roleArn,
      prefix: props.prefix,
      ...(props.kmsKey ? { kmsKeyId: props.kmsKey.keyArn } : {}),
      synchronizationConfiguration: {
        expirationDataRules: [{ daysAfterLastAccess: EXPIRE_DAYS }],
        importDataRules: [
          { prefix: '', sizeLessThan: IMPORT_BELOW_BYTES, trigger: 'ON_DIRECTORY_FIRST_ACCESS' },
        ],
      },
    });
    this.fileSystemId = this.#fileSystem.attrFileSystemId;
    // S3 Files doesn't check the role when it is given: with rights that come later it hangs in `creating`.
    this.#fileSystem.node.addDependency(syncRole.node.findChild('DefaultPolicy'));
    if (check) this.#fileSystem.node.addDependency(check);

    this.#mountTargets = props.network.subnets.map(
      (subnet, index) =>
        new CfnMountTarget(this, `MountTarget${index + 1}`, {
          fileSystemId: this.fileSystemId,
          subnetId: subnet.subnetId,
          securityGroups: [props.network.mountTargetGroup.securityGroupId],
        }),
    );
  }

  /** Orders the host after every mount target, and the policy that lets it mount. */
  makeReadyFor(host: Construct): void {
    host.node.addDependency(...this.#mountTargets);
    if (this.#mountPolicy) host.node.addDependency(this.#mountPolicy);
  }

  /** Lets the host mount the file system, as root and over TLS only, and the mount helper and proxy do their work. */
  grantMount(role: IRole): void {
    grant(role, { sid: 'Mount', actions: CLIENT_ACTIONS, resources: [this.#fileSystem.attrFileSystemArn] });
    grant(
      role,
      {
        // For amazon-efs-utils: it resolves mount targets this way with -t efs; its s3files path does without
        // since 3.0, earlier helpers don't.
        sid: 'MountHelperLooksUpMountTargets',
        actions: ['elasticfilesystem:DescribeMountTargets', 'elasticfilesystem:DescribeFileSystems'],
        resources: ['*'],
      },
      'only describes; the id is of S3 Files, which EFS’s resource names don’t cover.',
    );
    const policy = new CfnFileSystemPolicy(this, 'Policy', {
      fileSystemId: this.fileSystemId,
      policy: {
        Version: '2012-10-17',
        Statement: [
          {
            Sid: 'HostMounts',
            Effect: 'Allow',
            Principal: { AWS: role.roleArn },
            Action: CLIENT_ACTIONS,
            Resource: this.#fileSystem.attrFileSystemArn,
          },
          {
            Sid: 'OnlyOverTls',
            Effect: 'Deny',
            Principal: { AWS: '*' },
            Action: CLIENT_ACTIONS,
            Resource: this.#fileSystem.attrFileSystemArn,
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          },
        ],
      },
    });
    this.#mountPolicy = policy;
  }

  /** Reading what was uploaded: delivery receipts (HeadObject) and the proxy's direct reads; deleting versions only for a purge. */
  grantObjects(role: IRole): void {
    const { kmsKey, prefix, purge } = this.#props;
    const { region, urlSuffix } = Stack.of(this);
    const objects = this.bucket.arnForObjects(`${prefix}*`);
    const everyUpload = 'every object that partners upload, in this one bucket and prefix.';
    grant(
      role,
      { sid: 'ReadObjects', actions: ['s3:GetObject', 's3:GetObjectVersion'], resources: [objects] },
      everyUpload,
    );
    // Without it S3 answers 403 instead of 404 for an object that has not arrived yet.
    grant(role, { sid: 'ListBucket', actions: ['s3:ListBucket'], resources: [this.bucket.bucketArn] });
    if (kmsKey) {
      grant(role, {
        sid: 'DecryptObjects',
        actions: ['kms:Decrypt'],
        resources: [kmsKey.keyArn],
        conditions: { StringEquals: { 'kms:ViaService': `s3.${region}.${urlSuffix}` } },
      });
    }
    if (purge) {
      grant(
        role,
        { sid: 'PurgeVersions', actions: ['s3:DeleteObjectVersion'], resources: [objects] },
        everyUpload,
      );
      grant(role, {
        sid: 'ListVersionsToPurge',
        actions: ['s3:ListBucketVersions'],
        resources: [this.bucket.bucketArn],
      });
    }
  }
}
