import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { CfnEIP } from 'aws-cdk-lib/aws-ec2';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import { ARecord, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { Construct } from 'constructs';
import { grant } from './grant.ts';
import type { ResolvedProps } from './props.ts';

/** Marks the hosts of one Auto Scaling group. */
export interface HostTag {
  readonly key: string;
  readonly value: string;
}

/** What partners connect to: an address that outlives every host, and its name. */
export class Address extends Construct {
  readonly allocationId: string;
  readonly ip: string;

  constructor(
    scope: Construct,
    id: string,
    props: Pick<ResolvedProps, 'elasticIp' | 'hostedZone' | 'hostName'>,
  ) {
    super(scope, id);
    if (props.elasticIp) {
      this.allocationId = props.elasticIp.allocationId;
      this.ip = props.elasticIp.address;
    } else {
      const eip = new CfnEIP(this, 'ElasticIp', { domain: 'vpc' });
      // Partners have it in their firewalls, and a released address never comes back. (A failed creation releases it.)
      eip.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
      this.allocationId = eip.attrAllocationId;
      this.ip = eip.attrPublicIp;
    }
    if (props.hostedZone && props.hostName) {
      const target = RecordTarget.fromIpAddresses(this.ip);
      new ARecord(this, 'Record', { zone: props.hostedZone, recordName: props.hostName, target });
    }
  }

  /** Lets a host that carries this tag take the address over: no other address, no other instance. */
  grantAssociate(role: IRole, tag: HostTag): void {
    const arn = (resource: string, resourceName: string) =>
      Stack.of(this).formatArn({ service: 'ec2', resource, resourceName });
    const actions = ['ec2:AssociateAddress'];
    grant(
      role,
      {
        sid: 'TakeOverElasticIp',
        actions,
        resources: [arn('elastic-ip', this.allocationId), arn('network-interface', '*')],
      },
      'the call names address and instance; EC2 also checks the interface that it picks, known only then.',
    );
    grant(
      role,
      {
        sid: 'TakeOverElasticIpByHost',
        actions,
        resources: [arn('instance', '*')],
        conditions: { StringEquals: { [`aws:ResourceTag/${tag.key}`]: tag.value } },
      },
      'hosts are made by the Auto Scaling group; the tag limits it to them.',
    );
  }
}
