import { Match } from 'aws-cdk-lib/assertions';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Bucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import { describe, expect, it } from 'vitest';
import { actionsOf, statementsOf, templateOf } from './synthesized.ts';

const template = templateOf();
const one = (resources: Record<string, unknown>) => {
  const [entry, ...others] = Object.entries(resources);
  expect(others).toEqual([]);
  if (entry === undefined) throw new Error('no such resource');
  return entry as [id: string, resource: Record<string, never>];
};

const LIFECYCLE = {
  Rules: [
    {
      NoncurrentVersionExpiration: { NoncurrentDays: 30 },
      Status: 'Enabled',
      Id: 's3files-sftp-noncurrent-versions',
    },
    { ExpiredObjectDeleteMarker: true, Status: 'Enabled', Id: 's3files-sftp-delete-markers' },
    {
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
      Status: 'Enabled',
      Id: 's3files-sftp-abandoned-uploads',
    },
  ],
};

const PRIVATE = {
  BlockPublicAcls: true,
  BlockPublicPolicy: true,
  IgnorePublicAcls: true,
  RestrictPublicBuckets: true,
};

const TLS_ONLY = {
  PolicyDocument: {
    Statement: Match.arrayWith([
      Match.objectLike({
        Effect: 'Deny',
        Principal: { AWS: '*' },
        Action: 's3:*',
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      }),
    ]),
  },
};

describe('the bucket', () => {
  it('is versioned, private, encrypted, kept, and forgets old versions, markers and parts', () => {
    template.hasResource('AWS::S3::Bucket', {
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        VersioningConfiguration: { Status: 'Enabled' },
        PublicAccessBlockConfiguration: PRIVATE,
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
        },
        LifecycleConfiguration: LIFECYCLE,
      },
    });
  });

  it('answers over TLS only, also when the stack is gone', () => {
    template.hasResourceProperties('AWS::S3::BucketPolicy', TLS_ONLY);
    template.allResources('AWS::S3::BucketPolicy', {
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
    });
  });

  it('gets the same lifecycle, TLS only and no public access when it was made elsewhere in the app', () => {
    const existing = templateOf((stack) => ({
      bucket: new Bucket(stack, 'Mine', { versioned: true }) as IBucket,
    }));
    existing.resourceCountIs('AWS::S3::Bucket', 1);
    existing.hasResourceProperties('AWS::S3::Bucket', { LifecycleConfiguration: LIFECYCLE });
    existing.hasResourceProperties('AWS::S3::Bucket', { PublicAccessBlockConfiguration: PRIVATE });
    existing.hasResourceProperties('AWS::S3::BucketPolicy', TLS_ONLY);
    existing.allResources('AWS::S3::BucketPolicy', { DeletionPolicy: 'Retain' });
    existing.resourceCountIs('AWS::Lambda::Function', 0);
  });

  it('is checked while deploying, before the file system, when it comes from outside', () => {
    const imported = templateOf((stack) => ({
      bucket: Bucket.fromBucketName(stack, 'Theirs', 'their-bucket'),
    }));
    imported.resourceCountIs('AWS::S3::Bucket', 0);
    const [check] = one(imported.findResources('AWS::CloudFormation::CustomResource'));
    imported.hasResourceProperties('AWS::CloudFormation::CustomResource', { bucketName: 'their-bucket' });
    imported.hasResource('AWS::S3Files::FileSystem', { DependsOn: Match.arrayWith([check]) });
    const rights = statementsOf(imported, 'SftpStorageBucketCheck');
    expect(actionsOf(rights)).toEqual([
      's3:GetBucketPolicy',
      's3:GetBucketPublicAccessBlock',
      's3:GetBucketVersioning',
      's3:GetEncryptionConfiguration',
      's3:GetLifecycleConfiguration',
    ]);
    expect(
      actionsOf(
        statementsOf(
          templateOf((stack) => ({
            bucket: Bucket.fromBucketName(stack, 'Theirs', 'their-bucket'),
            kmsKey: new Key(stack, 'Key'),
          })),
          'SftpStorageBucketCheck',
        ),
      ),
    ).toContain('kms:DescribeKey');
  });
});

describe('the file system', () => {
  const [roleId, role] = one(
    template.findResources('AWS::IAM::Role', {
      Properties: { Description: Match.stringLikeRegexp('^S3 Files keeps') },
    }),
  );

  it('is made from the bucket’s ARN, after the rights of its role', () => {
    const [policyId] = one(
      template.findResources('AWS::IAM::Policy', { Properties: { Roles: [{ Ref: roleId }] } }),
    );
    template.hasResource('AWS::S3Files::FileSystem', {
      DependsOn: [policyId],
      Properties: {
        Bucket: { 'Fn::GetAtt': [Match.stringLikeRegexp('^SftpStorageBucket'), 'Arn'] },
        RoleArn: { 'Fn::GetAtt': [roleId, 'Arn'] },
        Prefix: '',
        SynchronizationConfiguration: {
          ExpirationDataRules: [{ DaysAfterLastAccess: 1 }],
          ImportDataRules: [{ Prefix: '', SizeLessThan: 131072, Trigger: 'ON_DIRECTORY_FIRST_ACCESS' }],
        },
      },
    });
  });

  it('is trusted by elasticfilesystem.amazonaws.com, for this account’s file systems only', () => {
    expect(JSON.parse(JSON.stringify(role)).Properties.AssumeRolePolicyDocument.Statement).toEqual([
      {
        Action: 'sts:AssumeRole',
        Effect: 'Allow',
        Principal: { Service: 'elasticfilesystem.amazonaws.com' },
        Condition: {
          StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
          ArnLike: {
            'aws:SourceArn': {
              'Fn::Join': [
                '',
                [
                  'arn:',
                  { Ref: 'AWS::Partition' },
                  ':s3files:',
                  { Ref: 'AWS::Region' },
                  ':',
                  { Ref: 'AWS::AccountId' },
                  ':file-system/*',
                ],
              ],
            },
          },
        },
      },
    ]);
  });

  it('has the whole documented permission list, with its conditions', () => {
    const statements = statementsOf(template, roleId);
    expect(actionsOf(statements)).toEqual(
      [
        ...['s3:ListBucket', 's3:ListBucketVersions', 's3:AbortMultipartUpload', 's3:DeleteObject*'],
        ...['s3:GetObject*', 's3:List*', 's3:PutObject*'],
        ...['events:DeleteRule', 'events:DisableRule', 'events:EnableRule', 'events:PutRule'],
        ...['events:PutTargets', 'events:RemoveTargets', 'events:DescribeRule', 'events:ListRules'],
        ...['events:ListRuleNamesByTarget', 'events:ListTargetsByRule'],
      ].sort(),
    );
    const condition = (sid: string) => statements.find(({ Sid }) => Sid === sid)?.Condition;
    expect(condition('Bucket')).toEqual({
      StringEquals: { 'aws:ResourceAccount': { Ref: 'AWS::AccountId' } },
    });
    expect(condition('Objects')).toEqual(condition('Bucket'));
    expect(condition('ManageItsRules')).toEqual({
      StringEquals: { 'events:ManagedBy': 'elasticfilesystem.amazonaws.com' },
    });
    expect(JSON.stringify(statements.find(({ Sid }) => Sid === 'ManageItsRules')?.Resource)).toContain(
      'rule/DO-NOT-DELETE-S3-Files*',
    );
  });

  it('is reachable in every subnet, through the mount targets’ group only', () => {
    const targets = Object.values(template.findResources('AWS::S3Files::MountTarget'));
    const subnets = targets.map(({ Properties }) => Properties.SubnetId.Ref);
    expect(new Set(subnets)).toEqual(new Set(Object.keys(template.findResources('AWS::EC2::Subnet'))));
    for (const { Properties } of targets) {
      expect(Properties.SecurityGroups).toEqual([
        { 'Fn::GetAtt': [expect.stringMatching(/^SftpNetworkMountTargetGroup/), 'GroupId'] },
      ]);
    }
  });

  it('lets the host’s role mount as root, and nobody without TLS', () => {
    const actions = ['s3files:ClientMount', 's3files:ClientWrite', 's3files:ClientRootAccess'];
    template.hasResourceProperties('AWS::S3Files::FileSystemPolicy', {
      Policy: {
        Statement: [
          {
            Effect: 'Allow',
            Principal: { AWS: { 'Fn::GetAtt': [Match.stringLikeRegexp('^SftpHostRole'), 'Arn'] } },
            Action: actions,
          },
          {
            Effect: 'Deny',
            Principal: { AWS: '*' },
            Action: actions,
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          },
        ],
      },
    });
  });

  it('uses a key where one is given, and lets S3 Files and the host use it through S3 only', () => {
    const keyed = templateOf((stack) => ({ kmsKey: new Key(stack, 'Key') }));
    keyed.hasResourceProperties('AWS::S3Files::FileSystem', { KmsKeyId: Match.anyValue() });
    keyed.hasResourceProperties('AWS::S3::Bucket', {
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' } }],
      },
    });
    const viaS3 = (sid: string, role: string) => {
      const statement = statementsOf(keyed, role).find(({ Sid }) => Sid === sid);
      return JSON.stringify(statement?.Condition?.StringEquals?.['kms:ViaService']);
    };
    expect(viaS3('Key', 'SftpStorageSyncRole')).toContain('"s3."');
    expect(viaS3('DecryptObjects', 'SftpHostRole')).toContain('"s3."');
  });

  it('stays the same, key and all, when users’ secrets have a key of their own', () => {
    const keyed = templateOf((stack) => ({ usersKmsKeys: [new Key(stack, 'Users')] }));
    const of = (from: typeof template, type: string) => from.findResources(type);
    expect(of(keyed, 'AWS::S3Files::FileSystem')).toEqual(of(template, 'AWS::S3Files::FileSystem'));
    expect(of(keyed, 'AWS::S3::Bucket')).toEqual(of(template, 'AWS::S3::Bucket'));
    const decrypt = statementsOf(keyed, 'SftpHostRole').filter(({ Action }) =>
      [Action].flat().includes('kms:Decrypt'),
    );
    expect(decrypt).toEqual([
      {
        Sid: 'DecryptUsers',
        Effect: 'Allow',
        Action: 'kms:Decrypt',
        Resource: { 'Fn::GetAtt': [expect.stringMatching(/^Users/), 'Arn'] },
        Condition: {
          StringEquals: {
            'kms:ViaService': {
              'Fn::Join': ['', ['secretsmanager.', { Ref: 'AWS::Region' }, '.', { Ref: 'AWS::URLSuffix' }]],
            },
          },
        },
      },
    ]);
  });
});
