import { Aws, Stack } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { type Grant, grant } from './grant.ts';

/** S3 Files runs on EFS's infrastructure: not s3files.amazonaws.com, which the trust policy would accept silently. */
const PRINCIPAL = 'elasticfilesystem.amazonaws.com';

/** EventBridge rules by which S3 Files hears of changes in the bucket. */
const RULES = 'DO-NOT-DELETE-S3-Files*';

/**
 * The role with which S3 Files reads and writes the bucket. Its permissions are those of
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-files-prereq-policies.html, and both conditions keep
 * another account's, or another service's, file system from using it.
 */
export function createSyncRole(scope: Construct, bucket: IBucket, kmsKey: IKey | undefined): Role {
  const stack = Stack.of(scope);
  const role = new Role(scope, 'SyncRole', {
    description: 'S3 Files keeps the bucket and the file system in step with this role',
    assumedBy: new ServicePrincipal(PRINCIPAL, {
      conditions: {
        StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
        ArnLike: {
          'aws:SourceArn': stack.formatArn({
            service: 's3files',
            resource: 'file-system',
            resourceName: '*',
          }),
        },
      },
    }),
  });
  const documented =
    'the list that S3 Files documents for its service role, on this bucket and its own rules only.';
  const sameAccount = { StringEquals: { 'aws:ResourceAccount': Aws.ACCOUNT_ID } };
  const rule = (resourceName: string) =>
    stack.formatArn({ service: 'events', resource: 'rule', resourceName });
  const allow = (statement: Grant) => grant(role, statement, documented);
  allow({
    sid: 'Bucket',
    actions: ['s3:ListBucket', 's3:ListBucketVersions'],
    resources: [bucket.bucketArn],
    conditions: sameAccount,
  });
  allow({
    sid: 'Objects',
    actions: ['s3:AbortMultipartUpload', 's3:DeleteObject*', 's3:GetObject*', 's3:List*', 's3:PutObject*'],
    resources: [bucket.arnForObjects('*')],
    conditions: sameAccount,
  });
  allow({
    sid: 'ManageItsRules',
    actions: [
      'events:DeleteRule',
      'events:DisableRule',
      'events:EnableRule',
      'events:PutRule',
      'events:PutTargets',
      'events:RemoveTargets',
    ],
    resources: [rule(RULES)],
    conditions: { StringEquals: { 'events:ManagedBy': PRINCIPAL } },
  });
  allow({
    sid: 'SeeRules',
    actions: [
      'events:DescribeRule',
      'events:ListRuleNamesByTarget',
      'events:ListRules',
      'events:ListTargetsByRule',
    ],
    resources: [rule('*')],
  });
  if (kmsKey) {
    allow({
      sid: 'Key',
      actions: ['kms:Decrypt', 'kms:DescribeKey', 'kms:Encrypt', 'kms:GenerateDataKey*', 'kms:ReEncrypt*'],
      resources: [kmsKey.keyArn],
      conditions: { StringEquals: { 'kms:ViaService': `s3.${Aws.REGION}.${Aws.URL_SUFFIX}` } },
    });
  }
  return role;
}
