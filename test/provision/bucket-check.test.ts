import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const source = readFileSync(new URL('../../provision/bucket-check.py', import.meta.url), 'utf8');

/** Lambda's modules in small, an S3 that answers as told, and the answer to CloudFormation on standard output. */
const HARNESS = `
import json, sys, types
told = json.loads(sys.argv[1])

class ClientError(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.response = {"Error": {"Code": code}}

class S3:
    def __getattr__(self, call):
        def answer(Bucket):
            given = told["s3"][call]
            if isinstance(given, str):
                raise ClientError(given)
            return given
        return answer

def send(event, context, status, data, physical_id, reason=None):
    print(json.dumps({"status": status, "id": physical_id, "reason": reason}))

sys.modules["boto3"] = types.SimpleNamespace(client=lambda service: S3())
sys.modules["cfnresponse"] = types.SimpleNamespace(FAILED="FAILED", SUCCESS="SUCCESS", send=send)
sys.modules["botocore"] = types.ModuleType("botocore")
sys.modules["botocore.exceptions"] = types.SimpleNamespace(ClientError=ClientError)
exec(sys.stdin.read())
asked = {"ServiceToken": "arn", "bucketName": "theirs", "bucketArn": "arn:aws:s3:::theirs", **told["asked"]}
handler({"RequestType": told["request"], "ResourceProperties": asked}, None)
`;

const GOOD = {
  get_bucket_versioning: { Status: 'Enabled' },
  get_bucket_lifecycle_configuration: {
    Rules: [
      { Status: 'Enabled', NoncurrentVersionExpiration: { NoncurrentDays: 30 } },
      { Status: 'Enabled', Expiration: { ExpiredObjectDeleteMarker: true } },
      { Status: 'Enabled', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 } },
    ],
  },
  get_public_access_block: {
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: true,
      IgnorePublicAcls: true,
      BlockPublicPolicy: true,
      RestrictPublicBuckets: true,
    },
  },
  get_bucket_policy: policy({}),
  get_bucket_encryption: encryption({ SSEAlgorithm: 'AES256' }),
};

function policy(change: object) {
  const statement = {
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:*',
    Resource: ['arn:aws:s3:::theirs', 'arn:aws:s3:::theirs/*'],
    Condition: { Bool: { 'aws:SecureTransport': 'false' } },
  };
  return { Policy: JSON.stringify({ Statement: [{ ...statement, ...change }] }) };
}

function encryption(used: object) {
  return { ServerSideEncryptionConfiguration: { Rules: [{ ApplyServerSideEncryptionByDefault: used }] } };
}

/** The rules with each narrowed to a part of the bucket. */
const narrowed = (filter: object) => ({
  get_bucket_lifecycle_configuration: {
    Rules: GOOD.get_bucket_lifecycle_configuration.Rules.map((rule) => ({ ...rule, Filter: filter })),
  },
});
const oldForm = () => ({
  get_bucket_lifecycle_configuration: {
    Rules: GOOD.get_bucket_lifecycle_configuration.Rules.map((rule) => ({ ...rule, Prefix: '' })),
  },
});
const OTHERWISE = {
  Principal: { AWS: '*' },
  Action: ['s3:*'],
  Resource: '*',
  Condition: { Bool: { 'aws:SecureTransport': [false] } },
};
const KEY = { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'arn:aws:kms:eu-central-1:1:key/k' };

function answer(
  s3: object,
  request = 'Create',
  asked: object = {},
): { status: string; id: string; reason: string } {
  const { stdout, stderr } = spawnSync(
    'python3',
    [
      '-c',
      HARNESS,
      JSON.stringify({ request, s3: { ...GOOD, ...s3 }, asked: { prefix: 'in/', kmsKeyArn: '', ...asked } }),
    ],
    {
      input: source,
      encoding: 'utf8',
    },
  );
  const last = stdout.trim().split('\n').at(-1);
  if (!last?.startsWith('{')) throw new Error(stderr);
  return JSON.parse(last);
}

describe('the bucket check', () => {
  it('fits into a template', () => {
    expect(source.length).toBeLessThan(4096);
  });

  it('accepts a bucket that has everything, and stays the same resource for it', () => {
    expect(answer({})).toMatchObject({ status: 'SUCCESS', id: 'check-theirs' });
  });

  it.each([
    [{ get_bucket_versioning: {} }, 'versioning is not enabled'],
    [{ get_bucket_versioning: { Status: 'Suspended' } }, 'versioning is not enabled'],
    [{ get_bucket_lifecycle_configuration: 'NoSuchLifecycleConfiguration' }, 'noncurrent versions'],
    [{ get_public_access_block: 'NoSuchPublicAccessBlockConfiguration' }, 'public access is not blocked'],
    [{ get_bucket_versioning: 'AccessDenied' }, 'AccessDenied'],
    [narrowed({ Prefix: 'elsewhere/' }), 'noncurrent versions'],
    [narrowed({ Prefix: 'in/one/' }), 'noncurrent versions'],
    [narrowed({ Tag: { Key: 'a', Value: 'b' } }), 'noncurrent versions'],
    [{ get_bucket_policy: 'NoSuchBucketPolicy' }, 'aws:SecureTransport'],
    [{ get_bucket_policy: policy({ Effect: 'Allow' }) }, 'aws:SecureTransport'],
    [{ get_bucket_policy: policy({ Principal: { AWS: '123456789012' } }) }, 'aws:SecureTransport'],
    [{ get_bucket_policy: policy({ Action: 's3:GetObject' }) }, 'aws:SecureTransport'],
    [{ get_bucket_policy: policy({ Resource: 'arn:aws:s3:::theirs/*' }) }, 'aws:SecureTransport'],
    [{ get_bucket_policy: policy({ Condition: {} }) }, 'aws:SecureTransport'],
    [{ get_bucket_encryption: encryption(KEY) }, 'give the stack kmsKey'],
    [{ get_bucket_encryption: encryption({ SSEAlgorithm: 'aws:kms:dsse' }) }, 'aws:kms:dsse'],
  ])('fails the deployment for %j', (s3, reason) => {
    const { status, reason: said } = answer(s3);
    expect(status).toBe('FAILED');
    expect(said).toContain(reason);
  });

  it.each([0, 1, 2])('misses each lifecycle rule, and counts a disabled one as missing', (at) => {
    const rules = GOOD.get_bucket_lifecycle_configuration.Rules;
    const disabled = rules.map((rule, index) => (index === at ? { ...rule, Status: 'Disabled' } : rule));
    expect(answer({ get_bucket_lifecycle_configuration: { Rules: disabled } })).toMatchObject({
      status: 'FAILED',
      reason: expect.stringContaining(['noncurrent', 'delete markers', 'multipart'][at] ?? ''),
    });
  });

  it.each([
    ['rules for the whole bucket', narrowed({}), {}],
    ['rules for the prefix', narrowed({ Prefix: 'in/' }), {}],
    ['rules in S3’s old form', oldForm(), {}],
    ['a policy in the other ways to write it', { get_bucket_policy: policy(OTHERWISE) }, {}],
    ['the stack’s own key', { get_bucket_encryption: encryption(KEY) }, { kmsKeyArn: KEY.KMSMasterKeyID }],
    ['AWS’s key for S3', { get_bucket_encryption: encryption({ SSEAlgorithm: 'aws:kms' }) }, {}],
  ])('accepts %s', (_, s3, asked) => {
    expect(answer(s3, 'Update', asked)).toMatchObject({ status: 'SUCCESS', reason: 'ready' });
  });

  it('never keeps a stack from being deleted', () => {
    expect(answer({ get_bucket_versioning: 'AccessDenied' }, 'Delete').status).toBe('SUCCESS');
  });
});
