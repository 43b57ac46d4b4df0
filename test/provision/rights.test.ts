import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { actionsOf, statementsOf, templateOf, userDataOf } from './synthesized.ts';

const AGENT = join(import.meta.dirname, '..', '..', 'agent');

/**
 * The IAM actions that each call of the AWS SDK needs (https://docs.aws.amazon.com/service-authorization/latest/reference/).
 * A call that is new to the agent has to be added here, and so to the stack's rights.
 */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  ListSecretsCommand: ['secretsmanager:ListSecrets'],
  // Each secret's value is read with its own right.
  BatchGetSecretValueCommand: ['secretsmanager:BatchGetSecretValue', 'secretsmanager:GetSecretValue'],
  DescribeSecretCommand: ['secretsmanager:DescribeSecret'],
  GetSecretValueCommand: ['secretsmanager:GetSecretValue'],
  PutSecretValueCommand: ['secretsmanager:PutSecretValue'],
  PutMetricDataCommand: ['cloudwatch:PutMetricData'],
  // 404 for an object that is not there takes s3:ListBucket; without it S3 says 403.
  HeadObjectCommand: ['s3:GetObject', 's3:ListBucket'],
  HeadBucketCommand: ['s3:ListBucket'],
  ListObjectsV2Command: ['s3:ListBucket'],
  GetObjectCommand: ['s3:GetObject', 's3:GetObjectVersion'],
};
/** Those that only a purge makes. */
const PURGE_NEEDS: Readonly<Record<string, readonly string[]>> = {
  ListObjectVersionsCommand: ['s3:ListBucketVersions'],
  DeleteObjectsCommand: ['s3:DeleteObjectVersion'],
  DeleteObjectCommand: ['s3:DeleteObjectVersion'],
};
/** The AWS command's calls in the boot script and in the minute's check. */
const COMMAND_NEEDS: Readonly<Record<string, readonly string[]>> = {
  's3 cp': ['s3:GetObject'],
  'ec2 associate-address': ['ec2:AssociateAddress'],
  'autoscaling complete-lifecycle-action': ['autoscaling:CompleteLifecycleAction'],
  'autoscaling set-instance-health': ['autoscaling:SetInstanceHealth'],
  'cfn-signal': ['cloudformation:SignalResource'],
};

function callsOfTheAgent(): string[] {
  const files = readdirSync(AGENT, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const calls = files.flatMap((name) => {
    const source = readFileSync(join(AGENT, name), 'utf8');
    return source.includes('@aws-sdk/') ? [...source.matchAll(/new (?:\w+\.)?(\w+Command)\(/g)] : [];
  });
  return [...new Set(calls.map(([, call = '']) => call))].sort();
}

const granted = new Set(actionsOf(statementsOf(templateOf(), 'SftpHostRole')));
const grantedToPurge = new Set(
  actionsOf(
    statementsOf(
      templateOf(() => ({ purge: true })),
      'SftpHostRole',
    ),
  ),
);

describe('the host’s role', () => {
  it('may make every call that the agent makes', () => {
    const calls = callsOfTheAgent();
    expect(calls).toEqual(expect.arrayContaining(['HeadObjectCommand', 'PutMetricDataCommand']));
    for (const call of calls) {
      const purges = PURGE_NEEDS[call];
      const needs = purges ?? NEEDS[call];
      expect(needs, `${call} is not in this test’s table of rights`).toBeDefined();
      const rights = purges === undefined ? granted : grantedToPurge;
      for (const action of needs ?? []) expect(rights, `${call} needs ${action}`).toContain(action);
    }
  });

  it('may make every call of the boot script and of the minute’s check', () => {
    const { bootScript } = userDataOf(templateOf());
    const calls = [...bootScript.matchAll(/\b(?:aws (\w+ [\w-]+)|(cfn-signal))/g)].map(
      ([, aws, signal]) => aws ?? signal ?? '',
    );
    expect(new Set(calls)).toEqual(new Set(Object.keys(COMMAND_NEEDS)));
    for (const action of Object.values(COMMAND_NEEDS).flat()) expect(granted).toContain(action);
  });

  it('may do nothing to versions unless purging is enabled', () => {
    for (const action of Object.values(PURGE_NEEDS).flat()) {
      expect(granted).not.toContain(action);
      expect(grantedToPurge).toContain(action);
    }
  });
});
