import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ArnFormat, Duration, Names, Stack, Tags, Validations } from 'aws-cdk-lib';
import {
  AutoScalingGroup,
  CfnAutoScalingGroup,
  DefaultResult,
  HealthChecks,
  LifecycleTransition,
  ScalingProcess,
  Signals,
  UpdatePolicy,
} from 'aws-cdk-lib/aws-autoscaling';
import { MultipartBody, MultipartUserData } from 'aws-cdk-lib/aws-ec2';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { Construct } from 'constructs';
import type { HostTag } from './address.ts';
import { EARLY_BOOT } from './early-boot.ts';
import { grant } from './grant.ts';
import { createTemplate } from './launch-template.ts';
import type { Network } from './network.ts';
import type { ResolvedProps } from './props.ts';
import { type BootSettings, renderBootScript } from './user-data.ts';

/** Boot and installation take about two minutes; a mount may take several attempts. */
const READY_LIMIT = Duration.minutes(10);
const BOOT_LIMIT = Duration.minutes(15);
const LAUNCH_HOOK = 'ready';

export interface HostProps extends Pick<ResolvedProps, 'rpm' | 'instanceType' | 'amiId'> {
  readonly network: Network;
  readonly address: BootSettings['address'];
  readonly agent: BootSettings['agent'];
  readonly logs: BootSettings['logs'];
}

/** One host that replaces itself: dead, unhealthy, outdated or changed, its successor is up before it goes. */
export class Host extends Construct {
  readonly role: Role;
  readonly groupName: string;
  readonly tag: HostTag;
  readonly group: AutoScalingGroup;

  constructor(scope: Construct, id: string, props: HostProps) {
    super(scope, id);
    // Named here, because the boot script names the group and the group names the boot script.
    this.groupName = Names.uniqueResourceName(this, { maxLength: 80, separator: '-' });
    this.tag = { key: 's3files-sftp:host', value: this.groupName };
    this.role = new Role(this, 'Role', {
      description: 'What the SFTP host may do; each part of the stack grants its own share',
      assumedBy: new ServicePrincipal('ec2.amazonaws.com'),
    });
    const rpm = this.#grantRpm(props.rpm);
    const userData = new MultipartUserData();

    const template = createTemplate(this, { ...props, role: this.role, userData });

    this.group = new AutoScalingGroup(this, 'Group', {
      autoScalingGroupName: this.groupName,
      vpc: props.network.vpc,
      vpcSubnets: { subnets: [...props.network.subnets] },
      launchTemplate: template,
      minCapacity: 1,
      // The second one exists only while a host is being replaced.
      maxCapacity: 2,
      // An unhealthy host serves on until its successor is up.
      minHealthyPercentage: 100,
      maxHealthyPercentage: 200,
      healthChecks: HealthChecks.ec2({ gracePeriod: BOOT_LIMIT }),
      signals: Signals.waitForAll({ timeout: BOOT_LIMIT }),
      updatePolicy: UpdatePolicy.rollingUpdate({
        maxBatchSize: 1,
        // The old host serves until the new one has signalled that it does.
        minInstancesInService: 1,
        suspendProcesses: [
          ScalingProcess.HEALTH_CHECK,
          ScalingProcess.REPLACE_UNHEALTHY,
          ScalingProcess.AZ_REBALANCE,
          ScalingProcess.ALARM_NOTIFICATION,
          ScalingProcess.SCHEDULED_ACTIONS,
        ],
      }),
    });
    this.group.addLifecycleHook('Ready', {
      lifecycleHookName: LAUNCH_HOOK,
      lifecycleTransition: LifecycleTransition.INSTANCE_LAUNCHING,
      heartbeatTimeout: BOOT_LIMIT,
      // A host that does not get ready is ended and another one tried.
      defaultResult: DefaultResult.ABANDON,
    });
    Tags.of(this.group).add(this.tag.key, this.tag.value);
    Tags.of(this.group).add('Name', this.groupName);

    const resource = this.group.node.defaultChild;
    if (!(resource instanceof CfnAutoScalingGroup))
      throw new TypeError('the group has no CloudFormation resource');
    const bootScript = renderBootScript({
      agent: props.agent,
      logs: props.logs,
      rpm,
      address: props.address,
      readySeconds: READY_LIMIT.toSeconds(),
      signal: {
        stack: Stack.of(this).stackName,
        resource: Stack.of(this).getLogicalId(resource),
        group: this.groupName,
        hook: LAUNCH_HOOK,
      },
    });
    for (const [contentType, body] of [
      [MultipartBody.CLOUD_BOOTHOOK, EARLY_BOOT],
      [MultipartBody.SHELL_SCRIPT, bootScript],
    ] as const) {
      // Plain, so that the template can be read and stays well below the 16 KiB that EC2 allows.
      userData.addPart(MultipartBody.fromRawBody({ contentType, body }));
    }
    this.#grantGroup();
    this.#acknowledge();
  }

  get groupArn(): string {
    return Stack.of(this).formatArn({
      service: 'autoscaling',
      resource: 'autoScalingGroup',
      resourceName: `*:autoScalingGroupName/${this.groupName}`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
  }

  /** The agent's package: one object of the asset bucket, with the checksum that the host verifies. */
  #grantRpm(path: string): BootSettings['rpm'] {
    const asset = new Asset(this, 'Rpm', { path });
    grant(this.role, {
      sid: 'FetchAgent',
      actions: ['s3:GetObject'],
      resources: [asset.bucket.arnForObjects(asset.s3ObjectKey)],
    });
    const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
    return { bucket: asset.s3BucketName, key: asset.s3ObjectKey, sha256 };
  }

  /** Saying how the boot went, and giving itself up; the group adds the signal to the stack. */
  #grantGroup(): void {
    grant(
      this.role,
      {
        sid: 'ReportToItsGroup',
        actions: ['autoscaling:CompleteLifecycleAction', 'autoscaling:SetInstanceHealth'],
        resources: [this.groupArn],
      },
      'a group’s ARN holds an id that AWS gives; its name limits it.',
    );
  }

  #acknowledge(): void {
    Validations.of(this.group).acknowledge(
      {
        id: 'AwsSolutions-AS3',
        reason:
          'The heartbeat, status-check and mount alarms tell what a scaling notification would, and only when it matters.',
      },
      {
        id: 'AwsSolutions-EC28',
        reason: 'Detailed monitoring would cost custom metrics; status checks are a minute apart without it.',
      },
    );
  }
}
