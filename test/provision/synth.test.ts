import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { synthesise } from '../../provision/app.ts';
import { newApp, RPM } from './synthesized.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const EXIT_USAGE = 64;

/** No credentials, no region, no way out: what must work offline gets nothing to look up with. */
const OFFLINE = {
  PATH: process.env.PATH ?? '',
  HTTPS_PROXY: 'http://127.0.0.1:1',
  AWS_EC2_METADATA_DISABLED: 'true',
  CDK_OUTDIR: mkdtempSync(join(tmpdir(), 's3files-sftp-synth-')),
};
const run = (env: Record<string, string>, file: string, ...args: string[]) =>
  spawnSync(process.execPath, [join('provision', file), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...OFFLINE, ...env },
  });

describe('npm run synth', () => {
  it('writes the template without account or network, in under a minute', () => {
    const started = performance.now();
    const { status, stdout, stderr } = run({}, 'synth.ts', 'rpm=placeholder', 'stackName=Other');
    expect(stderr).toContain('placeholder');
    expect(status).toBe(0);
    expect(performance.now() - started).toBeLessThan(60_000);
    const path = stdout.match(/^(\S+\.template\.json): /)?.[1] ?? '';
    expect(Object.keys(JSON.parse(readFileSync(path, 'utf8')).Resources).length).toBeGreaterThan(40);
  });

  it('keeps to the settings of cdk.json, as the cdk command does, and lets an argument win', () => {
    const settings = join(OFFLINE.CDK_OUTDIR, 'cdk.json');
    writeFileSync(
      settings,
      JSON.stringify({ app: '…', context: { stackName: 'Kept', usersPrefix: 'kept/users/', purge: true } }),
    );
    const { status, stdout } = run({ CDK_SETTINGS: settings }, 'synth.ts', 'rpm=placeholder', 'purge=false');
    expect(status).toBe(0);
    const path = stdout.match(/^(\S+\.template\.json): /)?.[1] ?? '';
    expect(path).toContain('Kept.template.json');
    const template = readFileSync(path, 'utf8');
    expect(template).toContain('kept/users/*');
    expect(template).not.toContain('s3:DeleteObjectVersion');
  });

  it('says each mistake in a sentence, without a stack trace', () => {
    const { status, stderr } = run(
      {},
      'synth.ts',
      'rpm=placeholder',
      'instanceType=t3.small',
      'noncurrentDays=x',
    );
    expect(status).toBe(1);
    expect(stderr).toContain('instanceType ("t3.small"): is not arm64; use');
    expect(stderr).toContain('noncurrentDays');
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('lists its settings when it is called wrongly', () => {
    const { status, stderr } = run({}, 'synth.ts', '--help');
    expect(status).toBe(EXIT_USAGE);
    expect(stderr).toMatch(/allowedCidrs +IPv4 networks/);
  });
});

describe('the app', () => {
  it('refuses a look-up where there is nothing to look up with', () => {
    const { CDK_DEFAULT_ACCOUNT: account } = process.env;
    expect(account).toBeUndefined();
    expect(() => synthesise({ rpm: RPM, vpcId: 'vpc-0123' }, { outdir: newApp().outdir })).toThrow(
      /-c vpcId .*npx aws-cdk@2/s,
    );
  });

  it('passes every setting on to the template', () => {
    const app = synthesise(
      {
        rpm: RPM,
        stackName: 'Full',
        bucketName: 'their-bucket',
        prefix: 'partners/',
        eipAllocationId: 'eipalloc-0123456789abcdef0',
        eipAddress: '203.0.113.5',
        hostedZoneId: 'Z0123456789',
        zoneName: 'example.com',
        hostName: 'sftp.example.com',
        kmsKeyArn: 'arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000',
        instanceType: 'm7g.medium',
        allowedCidrs: '203.0.113.0/24,198.51.100.0/24',
        alarmTopicArn: 'arn:aws:sns:eu-central-1:123456789012:ops',
        logRetention: '365',
        usersPrefix: 'aws/transfer/s-0123/',
        directories: 'in,out',
        patchSchedule: 'cron(30 2 ? * TUE *)',
        metricNamespace: 'acme/sftp',
        purge: 'true',
        runbookUrl: 'https://wiki.example.com/sftp',
      },
      { outdir: newApp().outdir },
    );
    const template = JSON.stringify(app.synth().getStackByName('Full').template);
    for (const value of [
      ...['their-bucket', 'partners/', 'eipalloc-0123456789abcdef0', '203.0.113.5', 'sftp.example.com.'],
      ...[
        'key/00000000-0000-0000-0000-000000000000',
        'm7g.medium',
        '198.51.100.0/24',
        'eu-central-1:123456789012:ops',
      ],
      ...[
        '365',
        'aws/transfer/s-0123/',
        'acme/sftp',
        'cron(30 2 ? * TUE *)',
        's3:DeleteObjectVersion',
        'wiki.example.com/sftp#cpu',
      ],
    ]) {
      expect(template).toContain(value);
    }
    expect(template).not.toContain('AWS::EC2::EIP');
  });
});
