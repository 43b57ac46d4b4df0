import { CloudWatchClient, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NAMESPACE } from '../bed/aws.ts';
import { AWS_ENVIRONMENT } from '../bed/aws-client.ts';
import { type Bed, boot } from '../bed/boot.ts';
import type { Key } from '../bed/clients.ts';
import { until } from '../bed/command.ts';

/** Proves the bed's AWS and SFTP clients, on an sshd started by hand. */

const SSHD_CONFIG = `Port 2222
ListenAddress 127.0.0.1
HostKey /etc/test-sshd/host-key
AuthorizedKeysFile /etc/test-sshd/keys-%u
UsePAM no
AuthenticationMethods publickey
AllowTcpForwarding no
Subsystem sftp internal-sftp
ForceCommand internal-sftp
`;

let bed: Bed;
let key: Key;

beforeAll(async () => {
  bed = await boot();
  key = await bed.clients.key('alice');
  await bed.writeFile('/etc/test-sshd/sshd_config', SSHD_CONFIG);
  await bed.writeFile('/etc/test-sshd/keys-alice', `${key.publicKey}\n`);
  await bed.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', '/etc/test-sshd/host-key']);
  await bed.run(['useradd', '--create-home', '--password', '*', 'alice']);
  await bed.run([
    'systemd-run',
    '--unit=test-sshd',
    '-p',
    'RuntimeDirectory=sshd',
    '/usr/sbin/sshd',
    '-D',
    '-f',
    '/etc/test-sshd/sshd_config',
  ]);
  await until('sshd', async () => (await bed.run(['ss', '-ltn'])).includes(':2222'));
});
afterAll(async () => await bed?.shutdown());

describe('SFTP clients', () => {
  test('OpenSSH uploads, and a wrong key, a shell and a forward are refused', async () => {
    const login = { user: 'alice', key };
    const result = await bed.clients.sftp(login, [`put ${key.path}.pub up.pub`, 'ls -1']);
    expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining('up.pub') });
    const stranger = { user: 'alice', key: await bed.clients.key('stranger', 'ecdsa') };
    expect((await bed.clients.sftp(stranger, ['ls'])).stderr).toContain('Permission denied');
    expect((await bed.clients.ssh(login, ['-W', '127.0.0.1:2222'])).stderr).toContain('forwarding failed');
    expect((await bed.clients.ssh(login, [])).stdout).not.toContain('$');
  });

  test('ssh2 puts, renames and gets, from another address', async () => {
    const session = await bed.clients.connect({ user: 'alice', key, localAddress: '127.0.0.7' });
    const content = Buffer.alloc(300_000, 'abc');
    await session.put('x.part', content);
    await session.rename('x.part', 'x');
    expect(await session.list('.')).toContain('x');
    expect(content.equals(await session.get('x'))).toBe(true);
    session.end();
    await session.closed;
    const lines = await bed.journal({ unit: 'test-sshd' });
    expect(lines.map((line) => line.MESSAGE).join('\n')).toContain('from 127.0.0.7');
  });

  test('ssh2 is refused with a wrong key', async () => {
    const wrong = { user: 'alice', key: await bed.clients.key('wrong') };
    await expect(bed.clients.connect(wrong)).rejects.toThrow('authentication');
  });

  test('a connection that is cut half-way ends the session on the host', async () => {
    const session = await bed.clients.connect({ user: 'alice', key });
    const upload = await session.begin('half', Buffer.alloc(100_000));
    session.cut();
    await expect(upload.close()).rejects.toThrow();
    await until('the session to end', async () => (await bed.exec(['pgrep', '-u', 'alice'])).code === 1);
    expect((await bed.run(['stat', '-c', '%s', '/home/alice/half'])).trim()).toBe('100000');
  });
});

describe('AWS', () => {
  /** What a process of the host would do, by curl's means: Python's. */
  const callFromHost = async (target: string, body: object) => {
    const script = `
import sys, urllib.request, urllib.error
headers = {'X-Amz-Target': sys.argv[2], 'Content-Type': 'application/x-amz-json-1.1',
  'Authorization': 'AWS4-HMAC-SHA256 Credential=x/20260101/eu-central-1/%s/aws4_request, SignedHeaders=host, Signature=0' % sys.argv[2].split('.')[0]}
try:
  print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], sys.argv[3].encode(), headers), timeout=2).read().decode())
except urllib.error.HTTPError as error: print(error.code, error.read().decode())
except Exception as error: print(type(error).__name__, error)`;
    return await bed.run([
      'python3',
      '-c',
      script,
      AWS_ENVIRONMENT.AWS_ENDPOINT_URL,
      target,
      JSON.stringify(body),
    ]);
  };
  const LIST = 'secretsmanager.ListSecrets';

  test('keeps secrets, which the host sees', async () => {
    await bed.aws.putSecret('s3files-sftp/users/alice', { publicKeys: [key.publicKey] });
    await bed.aws.putSecret('s3files-sftp/users/alice', { publicKeys: [] });
    expect(await callFromHost(LIST, {})).toContain('s3files-sftp/users/alice');
    await bed.aws.deleteSecret('s3files-sftp/users/alice', { force: true });
    expect(await callFromHost(LIST, {})).not.toContain('s3files-sftp/users/alice');
  });

  test('fails on demand, as often as asked, and only for the host', async () => {
    await bed.aws.fault({ operation: 'ListSecrets', kind: 'throttle', count: 1 });
    expect(await callFromHost(LIST, {})).toMatch(/^400 .*ThrottlingException/);
    expect(await callFromHost(LIST, {})).toContain('SecretList');
    await bed.aws.fault({ operation: '*', kind: 'deny' });
    await bed.aws.putSecret('still', 'works');
    expect(await callFromHost(LIST, {})).toMatch(/^400 .*AccessDenied/);
    await bed.aws.clearFaults();
    await bed.aws.fault({ operation: 'ListSecrets', kind: 'cut', count: 1 });
    expect(await callFromHost(LIST, {})).toContain('RemoteDisconnected');
    await bed.aws.unreachable();
    expect(await callFromHost(LIST, {})).toContain('Connection refused');
    await bed.aws.reachable();
    expect(await callFromHost(LIST, {})).toContain('SecretList');
    expect((await bed.aws.calls('ListSecrets')).length).toBeGreaterThan(3);
  });

  test('sums metrics exactly, single values and arrays with counts alike', async () => {
    const client = new CloudWatchClient(bed.aws.clientOptions);
    const at = new Date(Date.now() - 60_000);
    const put = async (datum: object) =>
      await client.send(
        new PutMetricDataCommand({
          Namespace: NAMESPACE,
          MetricData: [{ MetricName: 'UploadBytes', ...datum }],
        }),
      );
    await put({ Value: 268_435_456, Timestamp: at });
    await put({ Value: 7, Timestamp: new Date() });
    await put({ Values: [3, 1_000_001], Counts: [200, 2], Timestamp: at });
    await put({ StatisticValues: { Sum: 50, Minimum: 1, Maximum: 49, SampleCount: 2 }, Timestamp: at });
    client.destroy();
    expect(await bed.aws.metricSum('UploadBytes')).toBe(268_435_456 + 7 + 600 + 2_000_002 + 50);
    expect(await bed.aws.metricSum('PartialUploads')).toBe(0);
    expect(Math.max(...(await bed.aws.metric('UploadBytes')).map((point) => point.maximum))).toBe(
      268_435_456,
    );
  });
});
