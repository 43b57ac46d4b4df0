import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Stack, Validations } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Key } from 'aws-cdk-lib/aws-kms';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { CfnFileSystem } from 'aws-cdk-lib/aws-s3files';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { AwsSolutionsChecks } from 'cdk-nag';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeStack, newApp } from './synthesized.ts';

/** Pinned: rules come with each release, and a new one must not break an old commit. */
const CFN_LINT = '1.58.0';
const LINT_VENV = join(homedir(), '.cache', 's3files-sftp', `cfn-lint-${CFN_LINT}`);
/** W3005, a DependsOn that a reference implies: the CDK's own Function has one, and it changes nothing. */
const REDUNDANT_ORDER = 'W3005';
const EXIT_OK = 0;

/** The shapes of the stack that differ most. */
const VARIANTS = [
  ['the default', () => ({})],
  [
    'one with everything given',
    (stack: Stack) => ({
      purge: true,
      allowedCidrs: ['203.0.113.0/24'],
      amiId: 'ami-0123456789abcdef0',
      prefix: 'partners/',
      kmsKey: new Key(stack, 'Key', { enableKeyRotation: true }),
      elasticIp: { allocationId: 'eipalloc-0123456789abcdef0', address: '203.0.113.5' },
      hostedZone: HostedZone.fromHostedZoneAttributes(stack, 'Zone', {
        hostedZoneId: 'Z0123456789ABCDEFGHIJ',
        zoneName: 'example.com',
      }),
      hostName: 'sftp.example.com',
      alarmTopic: Topic.fromTopicArn(stack, 'Ops', 'arn:aws:sns:eu-central-1:123456789012:ops'),
    }),
  ],
  [
    'a bucket from outside',
    (stack: Stack) => ({ bucket: Bucket.fromBucketName(stack, 'Theirs', 'their-bucket') }),
  ],
] as const;

function synthesised(name: string, [, props]: (typeof VARIANTS)[number]): string {
  const outdir = mkdtempSync(join(tmpdir(), `s3files-sftp-${name}-`));
  const app = newApp(outdir);
  makeStack(props, app);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
  return join(outdir, 'Test.template.json');
}

describe.each(VARIANTS.map((variant, at) => [variant[0], variant, at] as const))('%s', (_, variant, at) => {
  it('passes cdk-nag’s AwsSolutions and CloudFormation’s own rules, and cfn-lint', () => {
    // Either plugin ends the synthesis with what it found.
    const template = synthesised(`variant${at}`, variant);
    const lint = spawnSync(
      join(LINT_VENV, 'bin', 'cfn-lint'),
      ['--ignore-checks', REDUNDANT_ORDER, '--', template],
      { encoding: 'utf8' },
    );
    expect(lint.stdout + lint.stderr).toBe('');
    expect(lint.status).toBe(EXIT_OK);
  });
});

beforeAll(() => {
  if (existsSync(join(LINT_VENV, 'bin', 'cfn-lint'))) return;
  for (const [file, ...args] of [
    ['python3', '-m', 'venv', LINT_VENV],
    [join(LINT_VENV, 'bin', 'pip'), 'install', '--quiet', `cfn-lint==${CFN_LINT}`],
  ] as const) {
    const { status, stderr } = spawnSync(file, args, { encoding: 'utf8' });
    if (status !== EXIT_OK) throw new Error(`${file} ${args.join(' ')}: ${stderr}`);
  }
});

describe('the checks themselves', () => {
  it('notice a finding without an acknowledgement', () => {
    const app = newApp();
    const stack = new Stack(app, 'Bad');
    new Bucket(stack, 'Open');
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    expect(() => app.synth()).toThrow(/AwsSolutions-S10/);
  });

  it('know the schemas of S3 Files', () => {
    const app = newApp();
    const stack = new Stack(app, 'Bad');
    new CfnFileSystem(stack, 'FileSystem', {
      bucket: 'not-an-arn',
      roleArn: 'arn:aws:iam::123456789012:role/r',
      prefix: 'no-slash',
    });
    expect(() => app.synth()).toThrow(/'not-an-arn' does not match.*'no-slash' does not match/s);
  });
});

describe('the template', () => {
  it('is the one that was reviewed', () => {
    const masked = JSON.stringify(Template.fromStack(makeStack()).toJSON(), null, 2)
      .replaceAll(/[0-9a-f]{64}/g, '<sha256>')
      // The last part of logical ids and of the group's name.
      .replaceAll(/([A-Za-z])[0-9A-F]{8}(?=["._>\\'-]|$)/gm, '$1<hash>')
      .replaceAll(/-[0-9A-F]{8}(?=["\\'])/g, '-<hash>');
    expect(masked).toMatchSnapshot();
  });

  it('has acknowledgements that each say why', () => {
    const stack = makeStack();
    const reasons = stack.node
      .findAll()
      .flatMap(({ node }) =>
        node.metadata
          .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
          .flatMap(({ data }) => Object.values<string>(data)),
      );
    expect(reasons.length).toBeGreaterThan(10);
    for (const reason of reasons) expect(reason.length).toBeGreaterThan(30);
  });
});
