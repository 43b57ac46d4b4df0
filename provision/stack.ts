import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { S3FilesSftpProps } from './props.ts';
import { S3FilesSftp } from './s3files-sftp.ts';

/**
 * ```
 *  partners ──22──▶ Elastic IP ─▶ host (Auto Scaling group of one, new image every week)
 *                                  │  partner sshd + agent
 *                                  ├─2049▶ mount target ─▶ S3 Files file system ⇄ bucket (versioned, lifecycle)
 *                                  ├─443─▶ Secrets Manager: users (read), host keys (read, write)
 *                                  └─443─▶ CloudWatch: ten metrics, two log groups ─▶ ten alarms, dashboard
 *  administrators ─▶ Session Manager ─▶ host
 * ```
 */
export class S3FilesSftpStack extends Stack {
  readonly sftp: S3FilesSftp;

  /** @param given called with this stack, since look-ups of existing resources need a scope */
  constructor(
    scope: Construct,
    id: string,
    given: (stack: Stack) => S3FilesSftpProps,
    stack: StackProps = {},
  ) {
    super(scope, id, { description: 'S3 Files SFTP: an SFTP service whose disk is an S3 bucket', ...stack });
    const sftp = new S3FilesSftp(this, 'Sftp', given(this));
    this.sftp = sftp;

    const output = (name: string, value: string, description: string) =>
      new CfnOutput(this, name, { value, description });
    output('Address', sftp.address.ip, 'Partners connect here, on port 22');
    output('BucketName', sftp.storage.bucket.bucketName, 'What partners upload arrives here');
    output('FileSystemId', sftp.storage.fileSystemId, 'The S3 Files file system');
    output('HostGroup', sftp.host.groupName, 'The Auto Scaling group of the host');
    output('DashboardName', sftp.dashboard.name, 'The CloudWatch dashboard');
    output('HostKeysSecret', sftp.hostKeys.secretArn, 'The host keys that partners have pinned');
    output('AlarmTopic', sftp.alarms.topic.topicArn, 'Alarms are sent here: subscribe to it');
    output('AgentLogGroup', sftp.logs.agentGroup.logGroupName, 'The agent’s log');
    output('HostLogGroup', sftp.logs.hostGroup.logGroupName, 'Boot, mount helper and proxy');
  }
}
