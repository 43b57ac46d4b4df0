import { afterEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../agent/config.ts';
import { called, FakeHost, fakeEc2, type Trouble } from './boot-host.ts';
import { templateOf, userDataOf } from './synthesized.ts';

const template = templateOf(() => ({ usersPrefix: 'acme/sftp/', directories: ['in', 'out'] }));
const userData = userDataOf(template);

const hosts: FakeHost[] = [];
afterEach(() => {
  for (const host of hosts.splice(0)) host.remove();
});
function newHost(...args: ConstructorParameters<typeof FakeHost> | []): FakeHost {
  const host = args.length === 0 ? new FakeHost(userData.bootScript) : new FakeHost(...args);
  hosts.push(host);
  return host;
}
const boot = (trouble?: Trouble) => newHost().boot(trouble);

const TAKE_OVER = 'aws ec2 associate-address --allow-reassociation --instance-id i-0123456789abcdef0';
const CONTINUE = 'aws autoscaling complete-lifecycle-action --lifecycle-action-result CONTINUE';
const ABANDON = 'aws autoscaling complete-lifecycle-action --lifecycle-action-result ABANDON';

describe('the user data', () => {
  it('fits the 16 KiB that EC2 allows, and is ASCII, as a MIME message without an encoding must be', () => {
    expect(Buffer.byteLength(userData.whole)).toBeLessThan(16 * 1024);
    expect(userData.whole).toMatch(/^[\t\n\x20-\x7e]*$/);
  });

  it('closes the stock sshd in cloud-init’s first stage, before systemd starts it', () => {
    expect(userData.types).toEqual(['text/cloud-boothook', 'text/x-shellscript']);
    expect(userData.earlyBoot).toMatch(/^#!\/bin\/sh\nsystemctl mask .*\bsshd\.service sshd\.socket$/m);
  });
});

describe('the boot script', () => {
  it('brings the host up in order: logs first, and the address after everything that can fail', () => {
    const { status, output, calls } = boot();
    expect(output).toContain('s3files-sftp boot: ready');
    expect(status).toBe(0);
    const order = [
      'systemctl mask --now sshd.service sshd.socket',
      'dnf install -y amazon-cloudwatch-agent >= 1.300070.0',
      'amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s',
      'systemctl is-active amazon-cloudwatch-agent.service',
      'aws s3 cp',
      'dnf install -y --setopt=install_weak_deps=False',
      'systemctl enable --now s3files-sftp-agent.service',
      's3files-sftp status --wait healthy --timeout 600',
      'systemctl enable --now s3files-sftp-host-health.timer',
      TAKE_OVER,
      'cfn-signal --exit-code 0',
      CONTINUE,
    ].map((call) => called(calls, call));
    expect(order).not.toContain(-1);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    // Nothing but telling: what could still fail would leave the address on a host that is given up.
    expect(calls.slice(called(calls, TAKE_OVER) + 1)).toEqual([
      expect.stringMatching(/^cfn-signal --exit-code 0/),
      expect.stringContaining(CONTINUE),
    ]);
  });

  it('says which release and packages the host has', () => {
    expect(boot().output).toMatch(/instance i-0123456789abcdef0 release 2023\.12\.20261110/);
  });

  it('writes a configuration that the agent accepts, from the props', () => {
    const host = newHost();
    host.boot();
    const config = parseConfig(
      // CloudFormation's references, as the names they become.
      host.read('etc/s3files-sftp/config.toml').replaceAll(/<(\w+)>/g, (_, id: string) => id.toLowerCase()),
    );
    expect(config.users).toMatchObject({ prefix: 'acme/sftp/', directories: ['in', 'out'] });
    expect(config.mount.file_system_id).toBe('fs-0123456789abcdef0');
    expect(config.sshd.port).toBe(22);
    expect(config.aws.region).toBe('eu-central-1');
  });

  it('bounds the proxy’s memory, and leaves the helper’s other settings alone', () => {
    const host = newHost();
    host.boot();
    const conf = host.read('etc/amazon/efs/s3files-utils.conf');
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
});

describe('a boot that fails', () => {
  it.each([
    ['the package can’t be fetched', 'aws s3 cp', 'fetch the agent'],
    ['the package can’t be installed', 'dnf install -y --setopt', 'install the agent'],
    ['the agent does not start', 'systemctl enable --now s3files-sftp-agent', 'start the agent'],
    ['the agent does not become healthy', 's3files-sftp status --wait', 'wait for the agent to be healthy'],
    ['the check can’t be started', 'systemctl enable --now s3files-sftp-host-health', 'watch over the host'],
    ['the address can’t be moved', 'aws ec2 associate-address', 'take the address over'],
  ])('fails the deployment, is read in CloudWatch and leaves the address alone: %s', (_, failing, step) => {
    const ec2 = fakeEc2();
    const { status, output, calls } = newHost(userData.bootScript, ec2).boot({ failing: [failing] });
    expect(status).not.toBe(0);
    expect(output).toContain(`at: ${step}`);
    expect(calls.filter((call) => call.startsWith('cfn-signal'))).toEqual([
      expect.stringMatching(
        new RegExp(`^cfn-signal --exit-code [17] --reason ${step}: .*nothing provides nodejs24`),
      ),
    ]);
    expect(called(calls, ABANDON)).toBe(calls.length - 1);
    expect(called(calls, 'systemctl is-active amazon-cloudwatch-agent')).toBeLessThan(called(calls, failing));
    expect(ec2.holder()).toBe('');
  });

  it('shows why the agent did not become healthy, in its own words', () => {
    const { output } = boot({ failing: ['s3files-sftp status --wait'] });
    expect(output).toContain('agent: mount failed: access denied by server');
  });

  it('names what the package only recommends, since weak dependencies stay out', () => {
    const { calls } = boot();
    const install = calls.find((call) => call.startsWith('dnf install -y --setopt=install_weak_deps=False'));
    expect(install?.split(' ').at(-1)).toBe('attr');
  });

  it('never installs a package whose bytes are not those of the synthesis', () => {
    const { output, calls, status } = boot({ download: 'other bytes' });
    expect(status).not.toBe(0);
    expect(output).toContain('at: fetch the agent');
    expect(called(calls, 'dnf install -y --setopt')).toBe(-1);
    expect(called(calls, 'cfn-signal --exit-code 1 --reason fetch the agent')).toBeGreaterThan(0);
    expect(called(calls, ABANDON)).toBe(calls.length - 1);
  });
});

describe('logs that don’t ship', () => {
  const failing = ['dnf install -y amazon-cloudwatch-agent'];

  it('fail a deployment, before the address moves', () => {
    const { status, calls, output } = boot({ failing });
    expect(status).not.toBe(0);
    expect(output).toContain('LOGS DO NOT SHIP');
    expect(called(calls, 'cfn-signal --exit-code 1 --reason ship logs')).toBeGreaterThan(0);
    expect(called(calls, 'aws ec2 associate-address')).toBe(-1);
    expect(called(calls, ABANDON)).toBe(calls.length - 1);
  });

  it('don’t keep a host from serving in a dead one’s place', () => {
    const { status, calls, output } = boot({ failing, nobodyWaits: true });
    expect(status).toBe(0);
    expect(output).toContain('LOGS DO NOT SHIP');
    expect(called(calls, TAKE_OVER)).toBeGreaterThan(0);
    expect(called(calls, CONTINUE)).toBe(calls.length - 1);
  });
});

describe('a host that replaces another', () => {
  it('does not mind that nobody waits for its signals', () => {
    const { status, calls } = boot({
      failing: ['aws autoscaling complete-lifecycle-action'],
      nobodyWaits: true,
    });
    expect(status).toBe(0);
    expect(called(calls, 'cfn-signal')).toBeGreaterThan(0);
  });
});
