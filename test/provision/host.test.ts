import { createHash } from 'node:crypto';
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { actionsOf, evaluate, RPM_BYTES, statementsOf, templateOf } from './synthesized.ts';

const template = templateOf();
const rights = statementsOf(template, 'SftpHostRole');
const right = (sid: string) => {
  const found = rights.filter(({ Sid }) => Sid === sid);
  expect(found).toHaveLength(1);
  return found[0];
};

describe('the host', () => {
  it('is an arm64 T4g of the newest image at each launch, on an encrypted gp3 disk, without a key pair', () => {
    template.hasResourceProperties('AWS::EC2::LaunchTemplate', {
      LaunchTemplateData: {
        InstanceType: 't4g.small',
        ImageId: 'resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64',
        KeyName: Match.absent(),
        BlockDeviceMappings: [
          { DeviceName: '/dev/xvda', Ebs: { Encrypted: true, VolumeType: 'gp3', VolumeSize: 8 } },
        ],
      },
    });
  });

  it('requires IMDSv2 and lets its answers travel one hop', () => {
    template.hasResourceProperties('AWS::EC2::LaunchTemplate', {
      LaunchTemplateData: { MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 } },
    });
  });

  it('is one, made before its predecessor goes, and only once it has signalled', () => {
    template.hasResource('AWS::AutoScaling::AutoScalingGroup', {
      CreationPolicy: { ResourceSignal: { Count: 1, Timeout: 'PT15M' } },
      UpdatePolicy: {
        AutoScalingRollingUpdate: { MaxBatchSize: 1, MinInstancesInService: 1, WaitOnResourceSignals: true },
      },
      Properties: { MinSize: '1', MaxSize: '2', DesiredCapacity: Match.absent(), HealthCheckType: 'EC2' },
    });
    template.hasResourceProperties('AWS::AutoScaling::LifecycleHook', {
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
      DefaultResult: 'ABANDON',
    });
  });

  it('boots after its rights, its mount targets, the mount policy and its way to the internet', () => {
    const [group] = Object.values(template.findResources('AWS::AutoScaling::AutoScalingGroup'));
    const before: string[] = group?.DependsOn;
    for (const type of [
      'AWS::S3Files::MountTarget',
      'AWS::S3Files::FileSystemPolicy',
      'AWS::EC2::Route',
      'AWS::EC2::SubnetRouteTableAssociation',
      'AWS::EC2::SecurityGroupEgress',
    ]) {
      const ids = Object.keys(template.findResources(type));
      expect(ids.length, type).toBeGreaterThan(0);
      expect(before).toEqual(expect.arrayContaining(ids));
    }
    expect(before).toContainEqual(expect.stringMatching(/^SftpHostRoleDefaultPolicy/));
  });

  it('is replaced each week by one with the newest image, never skipping as "already matching"', () => {
    const [schedule] = Object.values(template.findResources('AWS::Scheduler::Schedule'));
    expect(schedule?.Properties.ScheduleExpression).toBe('cron(0 3 ? * SUN *)');
    expect(evaluate(schedule?.Properties.Target.Arn)).toContain(':aws-sdk:autoscaling:startInstanceRefresh');
    const input = JSON.parse(evaluate(schedule?.Properties.Target.Input));
    expect(input).toEqual({
      AutoScalingGroupName: groupName(),
      Preferences: { MinHealthyPercentage: 100, MaxHealthyPercentage: 200, InstanceWarmup: 60 },
    });
    expect(actionsOf(statementsOf(template, 'SftpPatchingRole'))).toEqual([
      'autoscaling:StartInstanceRefresh',
    ]);
  });

  it('stays on a pinned image, without a schedule', () => {
    const pinned = templateOf(() => ({ amiId: 'ami-0123456789abcdef0' }));
    pinned.hasResourceProperties('AWS::EC2::LaunchTemplate', {
      LaunchTemplateData: { ImageId: 'ami-0123456789abcdef0' },
    });
    pinned.resourceCountIs('AWS::Scheduler::Schedule', 0);
  });

  it('names the package’s own checksum', () => {
    const sha256 = createHash('sha256').update(RPM_BYTES).digest('hex');
    const [launch] = Object.values(template.findResources('AWS::EC2::LaunchTemplate'));
    expect(evaluate(launch?.Properties.LaunchTemplateData.UserData)).toContain(
      `echo '${sha256}  /var/tmp/s3files-sftp-agent.rpm' | sha256sum --check`,
    );
  });
});

/** How the rule for port 443 calls the services whose actions the host's role may call. */
const NAMES: Readonly<Record<string, string>> = {
  autoscaling: 'Auto Scaling',
  cloudformation: 'CloudFormation',
  cloudwatch: 'CloudWatch',
  ec2: 'EC2',
  elasticfilesystem: 'EFS',
  logs: 'Logs',
  s3: 'S3',
  secretsmanager: 'Secrets Manager',
  ssm: 'SSM',
  ssmmessages: 'SSM',
};

describe('the network', () => {
  const groups = Object.entries(template.findResources('AWS::EC2::SecurityGroup'));
  const group = (name: string) => {
    const found = groups.find(([id]) => id.startsWith(`SftpNetwork${name}`));
    if (!found) throw new Error(name);
    return { id: found[0], ...found[1].Properties };
  };

  it('lets partners in on port 22 and nobody anywhere else', () => {
    expect(group('HostGroup').SecurityGroupIngress).toEqual([
      { CidrIp: '0.0.0.0/0', Description: 'Partners: SFTP', FromPort: 22, ToPort: 22, IpProtocol: 'tcp' },
    ]);
    const narrowed = templateOf(() => ({ allowedCidrs: ['203.0.113.0/24', '198.51.100.7/32'] }));
    const sources = Object.values(narrowed.findResources('AWS::EC2::SecurityGroup')).flatMap(
      ({ Properties }) => Properties.SecurityGroupIngress ?? [],
    );
    expect(sources.map(({ CidrIp }) => CidrIp)).toEqual(['203.0.113.0/24', '198.51.100.7/32']);
  });

  it('lets the host out to HTTPS and the mount targets only, and says what for', () => {
    expect(group('HostGroup').SecurityGroupEgress).toEqual([
      expect.objectContaining({ CidrIp: '0.0.0.0/0', FromPort: 443, ToPort: 443, IpProtocol: 'tcp' }),
    ]);
    const says: string = group('HostGroup').SecurityGroupEgress[0].Description;
    // The services of the role's rights, by the prefixes of their actions; mounting itself goes over port 2049.
    const services = new Set(actionsOf(rights).map((action) => action.split(':')[0] ?? ''));
    services.delete('s3files');
    expect(services).toEqual(new Set(Object.keys(NAMES)));
    for (const name of Object.values(NAMES)) expect(says).toContain(name);
    template.resourceCountIs('AWS::EC2::SecurityGroupEgress', 1);
    template.resourceCountIs('AWS::EC2::SecurityGroupIngress', 1);
    const ends = {
      FromPort: 2049,
      ToPort: 2049,
      IpProtocol: 'tcp',
      Description: Match.stringLikeRegexp('^Mount: '),
    };
    const [host, target] = [group('HostGroup').id, group('MountTargetGroup').id];
    template.hasResourceProperties('AWS::EC2::SecurityGroupEgress', {
      ...ends,
      GroupId: { 'Fn::GetAtt': [host, 'GroupId'] },
      DestinationSecurityGroupId: { 'Fn::GetAtt': [target, 'GroupId'] },
    });
    template.hasResourceProperties('AWS::EC2::SecurityGroupIngress', {
      ...ends,
      GroupId: { 'Fn::GetAtt': [target, 'GroupId'] },
      SourceSecurityGroupId: { 'Fn::GetAtt': [host, 'GroupId'] },
    });
  });

  it('costs nothing of its own: no NAT gateway, no interface endpoint, no function', () => {
    template.resourceCountIs('AWS::EC2::NatGateway', 0);
    template.resourceCountIs('AWS::Lambda::Function', 0);
    template.allResourcesProperties('AWS::EC2::VPCEndpoint', { VpcEndpointType: 'Gateway' });
    template.allResourcesProperties('AWS::EC2::VPC', { EnableDnsSupport: true, EnableDnsHostnames: true });
  });
});

describe('the address', () => {
  it('is kept when the stack is gone: partners have it in their firewalls', () => {
    template.hasResource('AWS::EC2::EIP', {
      DeletionPolicy: 'RetainExceptOnCreate',
      UpdateReplacePolicy: 'Retain',
    });
  });
});

describe('the host’s rights', () => {
  it('are these, and no managed policy', () => {
    expect(actionsOf(rights)).toEqual([
      'autoscaling:CompleteLifecycleAction',
      'autoscaling:SetInstanceHealth',
      'cloudformation:SignalResource',
      'cloudwatch:PutMetricData',
      'ec2:AssociateAddress',
      'ec2:AssociateAddress',
      'elasticfilesystem:DescribeFileSystems',
      'elasticfilesystem:DescribeMountTargets',
      'logs:CreateLogStream',
      'logs:DescribeLogStreams',
      'logs:PutLogEvents',
      's3:GetObject',
      's3:GetObject',
      's3:GetObjectVersion',
      's3:ListBucket',
      's3files:ClientMount',
      's3files:ClientRootAccess',
      's3files:ClientWrite',
      'secretsmanager:BatchGetSecretValue',
      'secretsmanager:DescribeSecret',
      'secretsmanager:DescribeSecret',
      'secretsmanager:GetSecretValue',
      'secretsmanager:GetSecretValue',
      'secretsmanager:ListSecrets',
      'secretsmanager:PutSecretValue',
      'ssm:UpdateInstanceInformation',
      'ssmmessages:CreateControlChannel',
      'ssmmessages:CreateDataChannel',
      'ssmmessages:OpenControlChannel',
      'ssmmessages:OpenDataChannel',
    ]);
    for (const { Properties } of Object.values(template.findResources('AWS::IAM::Role'))) {
      expect(Properties.ManagedPolicyArns).toBeUndefined();
    }
  });

  it('read users under their prefix, write the host keys’ secret alone, publish in one namespace', () => {
    expect(evaluate(right('ReadUsers')?.Resource)).toMatch(/:secret:s3files-sftp\/users\/\*$/);
    expect(right('KeepHostKeys')?.Resource).toEqual({ Ref: expect.stringMatching(/^SftpHostKeysSecret/) });
    expect(right('PublishMetrics')?.Condition).toEqual({
      StringEquals: { 'cloudwatch:namespace': 'S3FilesSftp/Test' },
    });
    expect(evaluate(right('Mount')?.Resource)).toMatch(/^<SftpStorageFileSystem\w+\.FileSystemArn>$/);
    expect(evaluate(right('FetchAgent')?.Resource)).toMatch(/\/[0-9a-f]{64}\.rpm$/);
  });

  it('keep the mount helper’s look-up in a statement of its own', () => {
    expect(right('MountHelperLooksUpMountTargets')?.Action).toEqual([
      'elasticfilesystem:DescribeMountTargets',
      'elasticfilesystem:DescribeFileSystems',
    ]);
  });

  it('move this address only, and only to a host of the group', () => {
    expect(right('TakeOverElasticIpByHost')?.Condition).toEqual({
      StringEquals: { 'aws:ResourceTag/s3files-sftp:host': groupName() },
    });
    template.hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
      Tags: Match.arrayWith([{ Key: 's3files-sftp:host', Value: groupName(), PropagateAtLaunch: true }]),
    });
  });

  it('delete object versions only where purging is enabled', () => {
    const purging = statementsOf(
      templateOf(() => ({ purge: true, prefix: 'in/' })),
      'SftpHostRole',
    );
    const added = actionsOf(purging).filter((action) => !actionsOf(rights).includes(action));
    expect(added).toEqual(['s3:DeleteObjectVersion', 's3:ListBucketVersions']);
    expect(evaluate(purging.find(({ Sid }) => Sid === 'PurgeVersions')?.Resource)).toMatch(/\/in\/\*$/);
  });
});

function groupName(): string {
  const [group] = Object.values(template.findResources('AWS::AutoScaling::AutoScalingGroup'));
  return group?.Properties.AutoScalingGroupName;
}
