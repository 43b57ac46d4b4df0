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

class Kms:
    def describe_key(self, KeyId):
        arn = told["aliases"].get(KeyId)
        if arn is None:
            raise ClientError("AccessDeniedException")
        return {"KeyMetadata": {"Arn": arn}}

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

sys.modules["boto3"] = types.SimpleNamespace(client=lambda service: {"s3": S3, "kms": Kms}[service]())
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
/** Of aliases, KMS describes those that lead to the stack's own key. */
const ALIASES = {
  'alias/sftp': KEY.KMSMasterKeyID,
  'arn:aws:kms:eu-central-1:1:alias/sftp': KEY.KMSMasterKeyID,
};
const keyed = (KMSMasterKeyID: string) => ({ get_bucket_encryption: encryption({ ...KEY, KMSMasterKeyID }) });

/** The good rules, and one more. */
const withRule = (rule: object) => ({
  get_bucket_lifecycle_configuration: {
    Rules: [...GOOD.get_bucket_lifecycle_configuration.Rules, { ID: 'old', Status: 'Enabled', ...rule }],
  },
});
const EXPIRING = { Expiration: { Days: 90 } };
const ARCHIVING = { Transitions: [{ Days: 30, StorageClass: 'DEEP_ARCHIVE' }] };
const HTTP_ONLY = { 'aws:SecureTransport': 'false' };

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
      JSON.stringify({
        request,
        s3: { ...GOOD, ...s3 },
        aliases: ALIASES,
        asked: { prefix: 'in/', kmsKeyArn: '', ...asked },
      }),
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
    [
      {
        get_bucket_policy: policy({
          Condition: { Bool: HTTP_ONLY, IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } },
        }),
      },
      'aws:SecureTransport',
    ],
    [
      { get_bucket_policy: policy({ Condition: { Bool: { ...HTTP_ONLY, 'aws:ViaAWSService': 'true' } } }) },
      'aws:SecureTransport',
    ],
    [withRule(EXPIRING), 'rule old expires or archives'],
    [withRule({ ...EXPIRING, Prefix: 'in/' }), 'rule old expires or archives'],
    [withRule({ Expiration: { Date: '2027-01-01' }, Filter: {} }), 'rule old expires or archives'],
    [withRule({ ...ARCHIVING, Filter: { Prefix: 'i' } }), 'rule old expires or archives'],
    [
      withRule({ ...EXPIRING, Filter: { And: { Prefix: 'in/', ObjectSizeGreaterThan: 1 } } }),
      'rule old expires or archives',
    ],
    [keyed(KEY.KMSMasterKeyID), 'kmsKey is not set'],
    [{ get_bucket_encryption: encryption({ SSEAlgorithm: 'aws:kms:dsse' }) }, 'aws:kms:dsse'],
  ])('fails the deployment for %j', (s3, reason) => {
    const { status, reason: said } = answer(s3);
    expect(status).toBe('FAILED');
    expect(said).toContain(reason);
  });

  it.each([
    'arn:aws:kms:eu-central-1:1:key/another',
    'another',
    'alias/another',
    'arn:aws:kms:eu-central-1:1:alias/another',
  ])('fails it for a bucket under %s where the stack has another key', (used) => {
    const { status, reason } = answer(keyed(used), 'Create', { kmsKeyArn: KEY.KMSMasterKeyID });
    expect(status).toBe('FAILED');
    expect(reason).toContain(`encrypted with ${used}, kmsKey is ${KEY.KMSMasterKeyID}`);
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
    ['the stack’s own key', keyed(KEY.KMSMasterKeyID), { kmsKeyArn: KEY.KMSMasterKeyID }],
    ['its id', keyed('k'), { kmsKeyArn: KEY.KMSMasterKeyID }],
    ['its alias', keyed('alias/sftp'), { kmsKeyArn: KEY.KMSMasterKeyID }],
    ['its alias’s ARN', keyed('arn:aws:kms:eu-central-1:1:alias/sftp'), { kmsKeyArn: KEY.KMSMasterKeyID }],
    ['AWS’s key for S3 by name', keyed('arn:aws:kms:eu-central-1:1:alias/aws/s3'), {}],
    ['rules that expire objects elsewhere', withRule({ ...EXPIRING, Prefix: 'elsewhere/' }), {}],
    ['rules that archive one partner’s directory', withRule({ ...ARCHIVING, Prefix: 'in/acme/' }), {}],
    [
      'rules that expire tagged objects',
      withRule({ ...EXPIRING, Filter: { Tag: { Key: 'a', Value: 'b' } } }),
      {},
    ],
    ['disabled ones', withRule({ ...EXPIRING, Status: 'Disabled' }), {}],
    ['AWS’s key for S3', { get_bucket_encryption: encryption({ SSEAlgorithm: 'aws:kms' }) }, {}],
  ])('accepts %s', (_, s3, asked) => {
    expect(answer(s3, 'Update', asked)).toMatchObject({ status: 'SUCCESS', reason: 'ready' });
  });

  it('never keeps a stack from being deleted', () => {
    expect(answer({ get_bucket_versioning: 'AccessDenied' }, 'Delete').status).toBe('SUCCESS');
  });
});
