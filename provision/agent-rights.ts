import { ArnFormat, Stack } from 'aws-cdk-lib';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import { grant } from './grant.ts';
import type { ResolvedProps } from './props.ts';

/** Reading users: the values of the secrets under the prefix, and of no others, with the keys that encrypt them. */
export function grantReadUsers(
  role: IRole,
  { usersPrefix, usersKmsKeys }: Pick<ResolvedProps, 'usersPrefix' | 'usersKmsKeys'>,
): void {
  const arn = Stack.of(role).formatArn({
    service: 'secretsmanager',
    resource: 'secret',
    resourceName: `${usersPrefix}*`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  grant(
    role,
    {
      sid: 'ReadUsers',
      actions: ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'],
      resources: [arn],
    },
    'users come and go under their prefix without the stack.',
  );
  grant(
    role,
    {
      sid: 'FindUsers',
      actions: ['secretsmanager:BatchGetSecretValue', 'secretsmanager:ListSecrets'],
      resources: ['*'],
    },
    'neither takes a resource; a list shows names, and a batch only values that ReadUsers allows.',
  );
  if (usersKmsKeys === undefined || usersKmsKeys.length === 0) return;
  const { region, urlSuffix } = Stack.of(role);
  grant(role, {
    sid: 'DecryptUsers',
    actions: ['kms:Decrypt'],
    resources: usersKmsKeys.map(({ keyArn }) => keyArn),
    conditions: { StringEquals: { 'kms:ViaService': `secretsmanager.${region}.${urlSuffix}` } },
  });
}

/** Publishing metrics, in this service's namespace only. */
export function grantPublishMetrics(role: IRole, namespace: string): void {
  grant(
    role,
    {
      sid: 'PublishMetrics',
      actions: ['cloudwatch:PutMetricData'],
      resources: ['*'],
      conditions: { StringEquals: { 'cloudwatch:namespace': namespace } },
    },
    'takes no resource; the namespace condition limits it.',
  );
}

/**
 * Session Manager, the administrators' only way in. AWS's managed policy would also read every SSM parameter of
 * the account (https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html).
 */
export function grantSessionManager(role: IRole): void {
  grant(
    role,
    {
      sid: 'AdministratorsBySessionManager',
      actions: [
        'ssm:UpdateInstanceInformation',
        'ssmmessages:CreateControlChannel',
        'ssmmessages:CreateDataChannel',
        'ssmmessages:OpenControlChannel',
        'ssmmessages:OpenDataChannel',
      ],
      resources: ['*'],
    },
    'the session channels take no resource.',
  );
}
