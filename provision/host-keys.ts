import { RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import { CfnSecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { grant } from './grant.ts';
import type { ResolvedProps } from './props.ts';

/**
 * Where the host keys live, so that a new host shows partners the old fingerprint. The secret is made empty: the
 * agent fills it, and nobody else ever needs to hold the keys. An L1, since the L2 always generates a value.
 */
export class HostKeys extends Construct {
  readonly secretArn: string;
  readonly #kmsKey: ResolvedProps['kmsKey'];

  constructor(scope: Construct, id: string, props: Pick<ResolvedProps, 'kmsKey'>) {
    super(scope, id);
    this.#kmsKey = props.kmsKey;
    const secret = new CfnSecret(this, 'Secret', {
      description:
        'SSH host keys of the SFTP service: losing them changes the fingerprint that partners have pinned',
      ...(props.kmsKey ? { kmsKeyId: props.kmsKey.keyArn } : {}),
    });
    secret.applyRemovalPolicy(RemovalPolicy.RETAIN);
    this.secretArn = secret.ref;
    Validations.of(secret).acknowledge({
      id: 'AwsSolutions-SMG4',
      reason: 'Rotating host keys by itself would make every partner’s client refuse the server.',
    });
  }

  /** Read and write of this one secret. */
  grantReadWrite(role: IRole): void {
    grant(role, {
      sid: 'KeepHostKeys',
      actions: [
        'secretsmanager:DescribeSecret',
        'secretsmanager:GetSecretValue',
        'secretsmanager:PutSecretValue',
      ],
      resources: [this.secretArn],
    });
    if (this.#kmsKey) {
      const { region, urlSuffix } = Stack.of(this);
      grant(role, {
        sid: 'KeyOfSecrets',
        actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
        resources: [this.#kmsKey.keyArn],
        conditions: { StringEquals: { 'kms:ViaService': `secretsmanager.${region}.${urlSuffix}` } },
      });
    }
  }
}
