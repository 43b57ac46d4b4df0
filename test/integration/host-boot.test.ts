import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderBootScript } from '../../provision/user-data.ts';
import { AWS_ENVIRONMENT } from '../bed/aws-client.ts';
import { type Bed, boot } from '../bed/boot.ts';
import { AGENT, accountReady, PREFIX, productRpm } from '../bed/product.ts';
import { BUCKET, FILE_SYSTEM } from '../bed/s3-files.ts';

/**
 * The stack's boot script on a real systemd with the real package, dnf, agent, mount unit and sshd. Of the host's
 * commands only those are stand-ins that a bed can't have: AWS's, EC2's metadata, and the log shipper.
 */

const CALLS = '/root/calls';
const READY_SECONDS = 25;
const HOST_KEYS = 's3files-sftp/host-keys';

/** Writes each call down; `action` is what it does then. */
const standIn = (action: string) => `#!/bin/bash\necho "$(basename "$0") $*" >> ${CALLS}\n${action}\n`;

const STAND_INS: ReadonlyArray<readonly [path: string, action: string]> = [
  ['/usr/local/bin/curl', 'case "$*" in *instance-id) echo i-0123456789abcdef0 ;; *) echo token ;; esac'],
  ['/opt/aws/bin/cfn-signal', ''],
  [
    '/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl',
    'systemctl start amazon-cloudwatch-agent',
  ],
  // The shipper is not in the bed's repository; everything else is dnf's.
  ['/usr/local/bin/dnf', 'case "$*" in *amazon-cloudwatch-agent*) ;; *) exec /usr/bin/dnf "$@" ;; esac'],
  ['/usr/local/bin/sleep', 'exec /bin/sleep 0.1'],
];
const SHIPPER_UNIT = '[Service]\nExecStart=/bin/sleep infinity\n';

let bed: Bed;
let sha256: string;
beforeAll(async () => {
  const rpm = await productRpm();
  sha256 = createHash('sha256')
    .update(await readFile(rpm))
    .digest('hex');
  bed = await boot({ packages: [rpm] });
  for (const [path, action] of STAND_INS) await bed.writeFile(path, standIn(action), '755');
  const download = `[ "$1 $2" = "s3 cp" ] && exec cp /srv/repository/product/${basename(rpm)} "\${@: -1}"; true`;
  await bed.writeFile('/usr/local/bin/aws', standIn(download), '755');
  await bed.writeFile('/etc/systemd/system/amazon-cloudwatch-agent.service', SHIPPER_UNIT);
  const environment = Object.entries({ ...AWS_ENVIRONMENT, S3FILES_SFTP_EXPECTED_FSTYPE: 'fuse' });
  await bed.writeFile(
    `/etc/systemd/system/${AGENT}.d/bed.conf`,
    `[Service]\n${environment.map(([name, value]) => `Environment=${name}=${value}\n`).join('')}`,
  );
  // As the stack makes it: without a value. The host fills it.
  const secrets = new SecretsManagerClient(bed.aws.clientOptions);
  await secrets.send(new CreateSecretCommand({ Name: HOST_KEYS }));
  secrets.destroy();
});
afterAll(async () => await bed?.shutdown());

async function bootHost(checksum = sha256) {
  const script = renderBootScript({
    agent: {
      region: AWS_ENVIRONMENT.AWS_REGION,
      usersPrefix: PREFIX,
      directories: ['upload'],
      fileSystemId: FILE_SYSTEM,
      hostKeysSecret: HOST_KEYS,
      bucket: BUCKET,
      prefix: '',
      metricNamespace: 'S3FilesSftp/Test',
    },
    logs: { agentGroup: 'agent', hostGroup: 'host' },
    rpm: { bucket: 'assets', key: 'agent.rpm', sha256: checksum },
    address: { allocationId: 'eipalloc-0123456789abcdef0', ip: '203.0.113.5' },
    readySeconds: READY_SECONDS,
    signal: { stack: 'Test', resource: 'Group', group: 'group', hook: 'ready' },
  });
  await bed.writeFile('/root/boot', script, '755');
  await bed.writeFile(CALLS, '');
  // As cloud-init runs it: with its output in the file that the failure's signal quotes.
  const { code } = await bed.exec(['bash', '-c', '/root/boot > /var/log/cloud-init-output.log 2>&1'], {
    timeoutMs: 110_000,
  });
  const calls = (await bed.readFile(CALLS)).trim().split('\n');
  return {
    code,
    output: await bed.readFile('/var/log/cloud-init-output.log'),
    told: calls.filter((call) => /^(cfn-signal|aws (ec2|autoscaling)) /.test(call)),
  };
}

const ABANDON = expect.stringContaining('--lifecycle-action-result ABANDON');

describe('the boot of a host', () => {
  test('fails the deployment on a package that is not the synthesised one, and installs nothing', async () => {
    const { code, told } = await bootHost('0'.repeat(64));
    expect(code).not.toBe(0);
    expect(told).toEqual([
      expect.stringMatching(/^cfn-signal --exit-code 1 --reason fetch the agent: .*FAILED/),
      ABANDON,
    ]);
    expect((await bed.exec(['rpm', '-q', 's3files-sftp-agent'])).code).not.toBe(0);
    // Whatever went wrong was shipped.
    expect(await bed.unit('amazon-cloudwatch-agent.service', 'ActiveState')).toBe('active');
  });

  test('fails the deployment when the mount is refused, and says so in the agent’s words', async () => {
    await bed.s3files.faultMount('denied');
    const { code, output, told } = await bootHost();
    expect(code).not.toBe(0);
    expect(output).toMatch(/FAILED with 1 at: wait for the agent to be healthy/);
    expect(output).toMatch(/the file system denied the mount/);
    expect(told).toEqual([
      expect.stringMatching(/^cfn-signal --exit-code 1 --reason wait for the agent to be healthy: /),
      ABANDON,
    ]);
  });

  test('serves partners on port 22, and only then takes the address and says so', async () => {
    await bed.s3files.faultMount(undefined);
    // A host boots once; this one starts its agent anew.
    await bed.run(['systemctl', 'stop', AGENT]);
    const key = await bed.clients.key('alice');
    await bed.aws.putSecret(`${PREFIX}alice`, { publicKeys: [key.publicKey] });
    const { code, output, told } = await bootHost();
    expect(output).toContain('s3files-sftp boot: ready');
    expect(code).toBe(0);
    expect(told).toEqual([
      expect.stringMatching(
        /^aws ec2 associate-address --allow-reassociation --instance-id i-0123456789abcdef0/,
      ),
      expect.stringMatching(/^cfn-signal --exit-code 0 /),
      expect.stringContaining('--lifecycle-action-result CONTINUE'),
    ]);
    await accountReady(bed, 'alice');
    expect((await bed.clients.sftp({ user: 'alice', key, port: 22 }, ['ls'])).code).toBe(0);
    expect(await bed.unit('s3files-sftp-host-health.timer', 'ActiveState')).toBe('active');
    expect(await bed.unit('sshd.service', 'LoadState')).toBe('masked');
  });
});
