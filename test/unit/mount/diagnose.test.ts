import { describe, expect, it } from 'vitest';
import { diagnose } from '../../../agent/mount/diagnose.ts';

const say = (line: string, unitResult = 'exit-code') => diagnose({ lines: [line], unitResult });

describe('diagnose', () => {
  // The texts are amazon-efs-utils' own.
  it.each([
    ["mount: /home/sftp: unknown filesystem type 's3files'.", /not installed/, /amazon-efs-utils/],
    [
      'Failed to resolve "fs-0123.efs.eu-central-1.amazonaws.com" - check that your file system ID is correct, and ensure that the VPC has an EFS mount target for this file system ID.',
      /type efs/,
      /type s3files/,
    ],
    [
      'Failed to resolve "euc1-az2.fs-0123.s3files.eu-central-1.on.aws" - check that your file system ID is correct, and ensure that the VPC has an S3Files mount target for this file system ID.',
      /euc1-az2\.fs-0123\.s3files\.eu-central-1\.on\.aws does not resolve/,
      /mount target/,
    ],
    ['Cannot retrieve AZ-ID from instance metadata service (IMDS).', /availability zone/, /azid=/],
    [
      'Error retrieving region. Please set the "region" parameter in the efs-utils configuration file',
      /region/,
      /region/,
    ],
    ['Failed to import botocore, please install botocore first.', /botocore/, /python3-botocore/],
    [
      'User: arn:aws:sts::1:assumed-role/x is not authorized to perform: elasticfilesystem:DescribeMountTargets on the specified resource',
      /may not look up/,
      /DescribeMountTargets/,
    ],
    [
      'AWS Access Key ID and Secret Access Key are not found in AWS credentials file (/root/.aws/credentials)',
      /no AWS credentials/,
      /role/,
    ],
    ["b'mount.nfs4: access denied by server while mounting 127.0.0.1:/'", /denied/, /s3files:ClientMount/],
    [
      'Mount attempt 1/3 failed due to timeout after 15 sec, wait 0 sec before next attempt.',
      /does not answer/,
      /TCP 2049/,
    ],
    [
      'ERROR Failed to establish an initial connection to EFS. Error: Connect attempt failed - Timeout',
      /does not answer/,
      /TCP 2049/,
    ],
    ['Connection to the mount target IP address 10.0.0.5 timeout. Please retry', /10\.0\.0\.5/, /TCP 2049/],
    ['Unsupported mount options detected: "az"', /option az/, /mount\.options/],
    ['NFSv4.0 is not supported for S3 Files mounts', /4\.0/, /vers/],
    ['Access Point ID fsap-x is malformed', /fsap-x/, /mount\.options/],
    ['tlsport option [abc] is not an integer', /tlsport=abc/, /tlsport/],
    ['Failed to locate an available port in the range [20049, 21049], try', /no local port/, /efs-proxy/],
    ['Specified port [20100] is unavailable. Try selecting a different port.', /20100/, /tlsport/],
    ['Failed to locate efs-proxy in the environment', /missing/, /reinstall/],
    [
      'Failed to initialize tunnel for fs-0123, please check mount.log for the failure reason.',
      /efs-proxy did not start/,
      /mount\.log/,
    ],
    ['Failed to start tunnel (errno=1), stderr="b\'\'"', /efs-proxy did not start/, /mount\.log/],
    ['Failed to mount fs-0123 because the network was not yet available, add "_netdev"', /network/, /again/],
    ["/home/sftp is already mounted, please run 'mount' command to verify", /already/, /findmnt/],
    ['only root can run this command', /root/, /systemd/],
  ])('%s', (line, detail, hint) => {
    const found = say(line);
    expect(found.detail).toMatch(detail);
    expect(found.hint).toMatch(hint);
  });

  it('prefers the cause to what it caused, in whatever order they come', () => {
    const lines = [
      'Failed to import botocore, please install botocore first.',
      "b'mount.nfs4: access denied by server while mounting 127.0.0.1:/'",
    ];
    expect(diagnose({ lines, unitResult: 'exit-code' }).detail).toMatch(/denied/);
    expect(diagnose({ lines: lines.reverse(), unitResult: 'exit-code' }).detail).toMatch(/denied/);
  });

  it('says that success without a mount is none', () => {
    const found = diagnose({ lines: [], unitResult: 'protocol' });
    expect(found.detail).toMatch(/ended with success, and nothing was mounted/);
  });

  it('quotes the last lines of a failure that it does not know', () => {
    const found = diagnose({ lines: ['a', 'b', '', 'c', 'd '], unitResult: 'timeout' });
    expect(found.detail).toBe('the mount failed (the helper did not end in time): b | c | d');
  });

  it('is not led astray by replacement patterns in what it quotes', () => {
    expect(say('Unsupported mount options detected: "$&$1"').detail).toContain('$&$1');
  });
});
