import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { Universal } from 'aws-cdk-lib/aws-scheduler-targets';
import { Construct } from 'constructs';
import { acknowledgeWildcards } from './grant.ts';
import type { Host } from './host.ts';

/**
 * Patching is a new host: Amazon Linux locks its repositories to the image's release, so a running host never
 * sees a fix. On a schedule the group starts a host from the newest image, and ends the old one once that is
 * ready; where it does not get ready, the old one goes on and the next schedule tries again.
 *
 * No SkipMatching: it compares launch templates, and ours names the newest image by a parameter that never
 * changes, so it would skip every patch
 * (https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-instance-refresh-skip-matching.html).
 */
export class Patching extends Construct {
  constructor(scope: Construct, id: string, props: { readonly host: Host; readonly schedule: string }) {
    super(scope, id);
    const { groupName, groupArn } = props.host;
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('scheduler.amazonaws.com') });
    const statement = {
      sid: 'ReplaceHost',
      actions: ['autoscaling:StartInstanceRefresh'],
      resources: [groupArn],
    };
    acknowledgeWildcards(role, statement, 'a group’s ARN holds an id that AWS gives; its name limits it.');
    new Schedule(this, 'Schedule', {
      description: 'Replaces the SFTP host by one with the newest Amazon Linux',
      schedule: ScheduleExpression.expression(props.schedule),
      target: new Universal({
        service: 'autoscaling',
        action: 'startInstanceRefresh',
        role,
        policyStatements: [new PolicyStatement(statement)],
        input: ScheduleTargetInput.fromObject({
          AutoScalingGroupName: groupName,
          // One up before one goes.
          Preferences: { MinHealthyPercentage: 100, MaxHealthyPercentage: 200, InstanceWarmup: 60 },
        }),
      }),
    });
  }
}
