import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../agent/config.ts';
import { evaluate, RPM_BYTES, templateOf } from './synthesized.ts';

const template = templateOf(() => ({ usersPrefix: 'acme/sftp/', directories: ['in', 'out'] }));
const [launch] = Object.values(template.findResources('AWS::EC2::LaunchTemplate'));
const script = evaluate(launch?.Properties.LaunchTemplateData.UserData);

/** The stock helper's file in small, as its package lays it out. */
const HELPER_CONF = `[DEFAULT]
logging_level = INFO

[mount]
dns_name_format = {az_id}.{fs_id}.s3files.{region}.{dns_name_suffix}

[proxy]
proxy_logging_level = INFO
metrics_enabled = true
# readahead_cache_max_memory_size_mb = 1024

[cloudwatch-log]
enabled = true
log_group_name = /aws/efs/utils
`;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 's3files-sftp-boot-'));
  for (const directory of [
    'bin',
    'opt/aws/bin',
    'opt/aws/amazon-cloudwatch-agent/bin',
    'etc/amazon/efs',
    'var/tmp',
    'run',
  ]) {
    mkdirSync(join(root, directory), { recursive: true });
  }
  writeFileSync(join(root, 'etc/amazon/efs/s3files-utils.conf'), HELPER_CONF);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/**
 * Runs the boot script in a directory that stands for the host's root, with every command that acts on a host
 * replaced by one that writes its call down.
 * @param failing commands that fail, as the beginning of a call
 * @param download what the asset bucket returns
 */
function boot(failing: readonly string[] = [], download = RPM_BYTES) {
  const calls = join(root, 'calls');
  const stub = (path: string, output = '') => {
    const name = path.split('/').at(-1);
    writeFileSync(
      join(root, path),
      `#!/bin/bash
call="${name} $*"
echo "$call" >> '${calls}'
${output}
while read -r bad; do case "$call" in "$bad"*) exit 7 ;; esac; done < '${root}/failing'
exit 0
`,
    );
    chmodSync(join(root, path), 0o755);
  };
  writeFileSync(join(root, 'failing'), failing.map((call) => `${call}\n`).join(''));
  writeFileSync(join(root, 'package'), download);
  for (const name of ['systemctl', 'dnf', 's3files-sftp', 'journalctl', 'sleep']) stub(`bin/${name}`);
  stub('bin/curl', 'echo i-0123456789abcdef0');
  stub('bin/rpm', 'echo 2023.12.20261110');
  stub('bin/aws', `[ "$1 $2" = "s3 cp" ] && cp '${root}/package' "\${@: -1}"`);
  stub('opt/aws/bin/cfn-signal');
  stub('opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl');
  const here = script.replaceAll(/(?<![\w.:/])\/(etc|var|opt|run|usr\/local)\//g, `${root}/$1/`);
  const { status, stdout, stderr } = spawnSync('bash', ['-c', here], {
    encoding: 'utf8',
    env: { PATH: `${join(root, 'bin')}:/usr/bin:/bin` },
  });
  return { status, output: `${stdout}${stderr}`, calls: readFileSync(calls, 'utf8').trimEnd().split('\n') };
}

const called = (calls: readonly string[], beginning: string) =>
  calls.findIndex((call) => call.startsWith(beginning));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

describe('the boot script', () => {
  it('fits the 16 KiB that EC2 allows', () => {
    expect(Buffer.byteLength(script)).toBeLessThan(16 * 1024);
  });

  it('brings the host up in order, and moves the address last', () => {
    const { status, output, calls } = boot();
    expect(output).toContain('s3files-sftp boot: ready');
    expect(status).toBe(0);
    const order = [
      'systemctl mask --now sshd.service sshd.socket',
      'aws s3 cp',
      'dnf install -y --setopt=install_weak_deps=False',
      'dnf install -y amazon-cloudwatch-agent >= 1.300070.0',
      'amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s',
      'systemctl enable --now s3files-sftp-agent.service',
      's3files-sftp status --wait healthy --timeout 600',
      'aws ec2 associate-address --allow-reassociation --instance-id i-0123456789abcdef0',
      'systemctl enable --now s3files-sftp-host-health.timer',
      'cfn-signal --exit-code 0',
      'aws autoscaling complete-lifecycle-action --lifecycle-action-result CONTINUE',
    ].map((call) => called(calls, call));
    expect(order).not.toContain(-1);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  });

  it('says which release and packages the host has', () => {
    expect(boot().output).toMatch(/instance i-0123456789abcdef0 release 2023\.12\.20261110/);
  });

  it('writes a configuration that the agent accepts, from the props', () => {
    boot();
    const config = parseConfig(
      // CloudFormation's references, as the names they become.
      read('etc/s3files-sftp/config.toml').replaceAll(/<(\w+)>/g, (_, id: string) => id.toLowerCase()),
    );
    expect(config.users).toMatchObject({ prefix: 'acme/sftp/', directories: ['in', 'out'] });
    expect(config.mount.file_system_id).toBe('fs-0123456789abcdef0');
    expect(config.sshd.port).toBe(22);
    expect(config.aws.region).toBe('eu-central-1');
  });

  it('bounds the proxy’s memory, and leaves the helper’s other settings alone', () => {
    boot();
    const conf = read('etc/amazon/efs/s3files-utils.conf');
    const section = (name: string) => conf.split(`[${name}]\n`)[1]?.split('\n[')[0]?.trim().split('\n');
    expect(section('proxy')).toEqual([
      'proxy_logging_level = INFO',
      'metrics_enabled = false',
      'readahead_cache_max_memory_size_mb = 128',
      'read_bypass_max_in_flight_s3_bytes = 67108864',
    ]);
    expect(section('cloudwatch-log')).toContain('enabled = false');
    expect(section('mount')).toEqual([
      'dns_name_format = {az_id}.{fs_id}.s3files.{region}.{dns_name_suffix}',
    ]);
  });

  it('ships the agent’s journal and the helper’s logs to groups that it does not create', () => {
    boot();
    const { logs } = JSON.parse(read('etc/s3files-sftp/log-shipper.json'));
    const [journal] = logs.logs_collected.journald.collect_list;
    expect(journal.units).toEqual(['s3files-sftp-agent.service']);
    const files: { file_path: string; log_group_name: string }[] = logs.logs_collected.files.collect_list;
    expect(files.map(({ file_path }) => file_path.split('/').slice(-2).join('/'))).toEqual([
      'log/cloud-init-output.log',
      'efs/mount.log',
      'efs/mount-watchdog.log',
      'efs/*.efs-proxy.log',
    ]);
    const groups = new Set(Object.keys(template.findResources('AWS::Logs::LogGroup')).map((id) => `<${id}>`));
    for (const { log_group_name } of [journal, ...files]) expect(groups).toContain(log_group_name);
    expect(JSON.stringify(logs)).not.toContain('retention');
  });

  it.each([
    ['the package can’t be fetched', 'aws s3 cp', 'fetch the agent'],
    ['the package can’t be installed', 'dnf install -y --setopt', 'install the agent'],
    ['the agent does not become healthy', 's3files-sftp status --wait', 'wait for the agent to be healthy'],
    ['the address can’t be moved', 'aws ec2 associate-address', 'take the address over'],
  ])('fails the deployment and gives the host up when %s', (_, failing, step) => {
    const { status, output, calls } = boot([failing]);
    expect(status).not.toBe(0);
    expect(output).toContain(`at: ${step}`);
    expect(
      called(calls, 'cfn-signal --exit-code 7') + called(calls, 'cfn-signal --exit-code 1'),
    ).toBeGreaterThan(0);
    expect(
      called(calls, 'aws autoscaling complete-lifecycle-action --lifecycle-action-result ABANDON'),
    ).toBeGreaterThan(0);
    if (!failing.startsWith('aws ec2')) expect(called(calls, 'aws ec2 associate-address')).toBe(-1);
  });

  it('refuses a package whose bytes are not those of the synthesis', () => {
    const { output, calls } = boot([], 'other bytes');
    expect(output).toContain('at: fetch the agent');
    expect(called(calls, 'dnf')).toBe(-1);
  });

  it('serves without logs when only they fail, but fails the deployment', () => {
    const { status, calls, output } = boot(['dnf install -y amazon-cloudwatch-agent']);
    expect(status).not.toBe(0);
    expect(output).toContain('LOGS DO NOT SHIP');
    expect(called(calls, 'aws ec2 associate-address')).toBeGreaterThan(0);
    expect(called(calls, 'cfn-signal --exit-code 1 --reason boot: ship logs')).toBeGreaterThan(0);
    expect(
      called(calls, 'aws autoscaling complete-lifecycle-action --lifecycle-action-result CONTINUE'),
    ).toBeGreaterThan(0);
  });

  it('does not mind that nobody waits for its signals when a dead host is replaced', () => {
    const { status } = boot(['cfn-signal', 'aws autoscaling complete-lifecycle-action']);
    expect(status).toBe(0);
  });
});

describe('the host’s health check', () => {
  const check = (active: boolean) => {
    writeFileSync(join(root, 'failing'), active ? '' : 'systemctl is-active\n');
    return spawnSync('sh', [join(root, 'usr/local/sbin/s3files-sftp-host-health')], {
      encoding: 'utf8',
      env: { PATH: `${join(root, 'bin')}:/usr/bin:/bin`, INSTANCE_ID: 'i-0123456789abcdef0' },
    });
  };
  const given = () =>
    read('calls')
      .split('\n')
      .filter((call) => call.startsWith('aws autoscaling set-instance-health --health-status Unhealthy'));

  it('gives the host up after ten minutes without the agent, not before, and not for one restart', () => {
    boot();
    expect(existsSync(join(root, 'usr/local/sbin/s3files-sftp-host-health'))).toBe(true);
    for (let minute = 0; minute < 9; minute += 1) check(false);
    check(true);
    for (let minute = 0; minute < 9; minute += 1) check(false);
    expect(given()).toEqual([]);
    check(false);
    expect(given()).toHaveLength(1);
    expect(given()[0]).toContain('i-0123456789abcdef0');
  });
});
