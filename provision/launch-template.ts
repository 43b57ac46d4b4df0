import {
  BlockDeviceVolume,
  CpuCredits,
  EbsDeviceVolumeType,
  type IMachineImage,
  InstanceType,
  LaunchTemplate,
  MachineImage,
  OperatingSystemType,
  type UserData,
} from 'aws-cdk-lib/aws-ec2';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { Network } from './network.ts';
import type { ResolvedProps } from './props.ts';

/** Resolved at each launch, not while deploying: a new host always has the newest image. */
const NEWEST_IMAGE = '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64';

/** The image's own size; the journal and logs need about 1 GiB of it. */
const ROOT_VOLUME_GIB = 8;

export interface TemplateProps extends Pick<ResolvedProps, 'instanceType' | 'amiId'> {
  readonly network: Network;
  readonly role: IRole;
  readonly userData: UserData;
}

/** What each host is made from. No key pair: administrators come by Session Manager. */
export function createTemplate(scope: Construct, props: TemplateProps): LaunchTemplate {
  return new LaunchTemplate(scope, 'Template', {
    instanceType: new InstanceType(props.instanceType),
    machineImage: props.amiId
      ? pinnedImage(props.amiId, props.userData)
      : MachineImage.resolveSsmParameterAtLaunch(NEWEST_IMAGE, { userData: props.userData }),
    role: props.role,
    securityGroup: props.network.hostGroup,
    userData: props.userData,
    // For the way out until the Elastic IP arrives, which takes its place, and again after it has gone to a successor
    // (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-instance-addressing.html).
    associatePublicIpAddress: true,
    requireImdsv2: true,
    // One hop: nothing but the host's own processes gets at its credentials.
    httpPutResponseHopLimit: 1,
    blockDevices: [
      {
        deviceName: '/dev/xvda',
        volume: BlockDeviceVolume.ebs(ROOT_VOLUME_GIB, {
          encrypted: true,
          volumeType: EbsDeviceVolumeType.GP3,
        }),
      },
    ],
    ...(isBurstable(props.instanceType) ? { cpuCredits: CpuCredits.UNLIMITED } : {}),
  });
}

function pinnedImage(imageId: string, userData: UserData): IMachineImage {
  return { getImage: () => ({ imageId, osType: OperatingSystemType.LINUX, userData }) };
}

/** T types live on CPU credits; running out must slow nobody down, so they may borrow, and an alarm tells. */
function isBurstable(instanceType: string): boolean {
  return /^t\d/.test(instanceType);
}
