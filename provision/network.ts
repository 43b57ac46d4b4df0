import { Validations } from 'aws-cdk-lib';
import {
  CfnSubnetRouteTableAssociation,
  GatewayVpcEndpointAwsService,
  IpAddresses,
  type ISubnet,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import { PARTNER_PORT } from './agent-config.ts';
import type { ResolvedProps } from './props.ts';

const NFS = Port.tcp(2049);

/** The VPC, and who may talk to whom: partners → host, host → file system, host → AWS, and nothing else. */
export class Network extends Construct {
  readonly vpc: IVpc;
  /** One public subnet in each zone: the host starts in one of them, the file system is reachable in all. */
  readonly subnets: readonly ISubnet[];
  readonly hostGroup: SecurityGroup;
  readonly mountTargetGroup: SecurityGroup;

  constructor(scope: Construct, id: string, props: Pick<ResolvedProps, 'vpc' | 'allowedCidrs'>) {
    super(scope, id);
    this.vpc = props.vpc ?? this.createVpc();
    // One per zone, since a file system takes at most one mount target in a zone.
    this.subnets = this.vpc.selectSubnets({ subnetType: SubnetType.PUBLIC, onePerAz: true }).subnets;

    this.hostGroup = new SecurityGroup(this, 'HostGroup', {
      vpc: this.vpc,
      description: 'SFTP host: partners in, file system and AWS APIs out',
      allowAllOutbound: false,
    });
    this.mountTargetGroup = new SecurityGroup(this, 'MountTargetGroup', {
      vpc: this.vpc,
      description: 'S3 Files mount targets: NFS from the SFTP host only',
      allowAllOutbound: false,
    });
    for (const cidr of props.allowedCidrs) {
      this.hostGroup.addIngressRule(Peer.ipv4(cidr), Port.tcp(PARTNER_PORT), 'Partners: SFTP');
    }
    // Both ways: the host's egress is restricted, so each side names the other.
    this.hostGroup.addEgressRule(this.mountTargetGroup, NFS, 'Mount: NFS over TLS to S3 Files');
    this.mountTargetGroup.addIngressRule(this.hostGroup, NFS, 'Mount: NFS over TLS from the SFTP host');
    // AWS publishes no fixed addresses. DNS, NTP and instance metadata don't pass security groups.
    this.hostGroup.addEgressRule(
      Peer.anyIpv4(),
      Port.tcp(443),
      'HTTPS: Secrets Manager, S3, CloudWatch and its Logs, SSM, EC2, EFS, Auto Scaling, CloudFormation, dnf repositories in S3',
    );
    if (props.allowedCidrs.includes('0.0.0.0/0')) {
      const reason =
        'Port 22 is the public SFTP service: key-only logins, chrooted, no shell. allowedCidrs narrows it where partners have fixed addresses.';
      Validations.of(this.hostGroup).acknowledge(
        { id: 'AwsSolutions-EC23', reason },
        { id: 'CloudFormation-Validate::W2508', reason },
      );
    }
  }

  /** Orders the host after its way to the internet and its security groups' rules: it needs both to boot. */
  makeReadyFor(host: Construct): void {
    host.node.addDependency(this.hostGroup, this.mountTargetGroup);
    for (const subnet of this.subnets) {
      host.node.addDependency(subnet.internetConnectivityEstablished);
      const associations = subnet.node
        .findAll()
        .filter((child) => child instanceof CfnSubnetRouteTableAssociation);
      host.node.addDependency(...associations);
    }
  }

  private createVpc(): IVpc {
    const vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr('10.99.0.0/24'),
      maxAzs: 2,
      // A NAT gateway would cost twice the host.
      natGateways: 0,
      subnetConfiguration: [{ name: 'public', subnetType: SubnetType.PUBLIC, cidrMask: 27 }],
      // Emptying the default group takes a custom resource with a function; nothing here uses that group.
      restrictDefaultSecurityGroup: false,
      gatewayEndpoints: { S3: { service: GatewayVpcEndpointAwsService.S3 } },
    });
    Validations.of(vpc).acknowledge({
      id: 'AwsSolutions-VPC7',
      reason:
        'Flow logs would cost more than they tell: one host, one open port, and sshd’s log names every peer. Pass a vpc of your own to have them.',
    });
    return vpc as IVpc;
  }
}
