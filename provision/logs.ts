import { RemovalPolicy } from 'aws-cdk-lib';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { grant } from './grant.ts';
import type { ResolvedProps } from './props.ts';

/** The two log groups of the service; what each line holds is in docs/runbook.md. */
export class Logs extends Construct {
  readonly agentGroup: LogGroup;
  readonly hostGroup: LogGroup;

  constructor(scope: Construct, id: string, props: Pick<ResolvedProps, 'logRetention'>) {
    super(scope, id);
    // Receipts are evidence of what partners sent: they outlive the stack.
    const common = { retention: props.logRetention, removalPolicy: RemovalPolicy.RETAIN };
    this.agentGroup = new LogGroup(this, 'Agent', common);
    this.hostGroup = new LogGroup(this, 'Host', common);
  }

  /** Appending to these two groups; creating groups or changing retention stays with the stack. */
  grantWrite(role: IRole): void {
    grant(
      role,
      {
        sid: 'ShipLogs',
        actions: ['logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'],
        resources: [this.agentGroup.logGroupArn, this.hostGroup.logGroupArn],
      },
      'log streams are named after hosts.',
    );
  }
}
