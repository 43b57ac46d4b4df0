import { readFileSync } from 'node:fs';
import { CustomResource, Duration, Validations } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';

export interface BucketCheckProps {
  readonly bucket: IBucket;
  readonly prefix: string;
  readonly kmsKey: IKey | undefined;
}

/**
 * Fails the deployment where a bucket from outside the app is not versioned, lacks a lifecycle rule or has one that
 * takes current objects away, lets the public or plain HTTP in, or is encrypted with a key that is not the stack's. It
 * only reads: CloudFormation can't add rules to a bucket that it doesn't own, and putting a whole new lifecycle would
 * throw away the owner's.
 */
export class BucketCheck extends Construct {
  constructor(scope: Construct, id: string, props: BucketCheckProps) {
    super(scope, id);
    const logGroup = new LogGroup(this, 'Log', { retention: RetentionDays.ONE_MONTH });
    const check = new LambdaFunction(this, 'Function', {
      description: 'Refuses a bucket without versioning and lifecycle rules while deploying',
      runtime: Runtime.PYTHON_3_15,
      handler: 'index.handler',
      // Inline (CloudFormation takes 4 MB): no asset, no build, and CloudFormation supplies the cfnresponse module it imports.
      code: Code.fromInline(readFileSync(new URL('./bucket-check.py', import.meta.url), 'utf8')),
      timeout: Duration.seconds(30),
      logGroup,
    });
    check.addToRolePolicy(
      new PolicyStatement({
        sid: 'ReadBucketSettings',
        actions: [
          's3:GetBucketPolicy',
          's3:GetBucketPublicAccessBlock',
          's3:GetBucketVersioning',
          's3:GetEncryptionConfiguration',
          's3:GetLifecycleConfiguration',
        ],
        resources: [props.bucket.bucketArn],
      }),
    );
    if (props.kmsKey) {
      check.addToRolePolicy(
        new PolicyStatement({
          sid: 'ResolveAliasOfKey',
          actions: ['kms:DescribeKey'],
          resources: [props.kmsKey.keyArn],
        }),
      );
    }
    // Checked again whenever one of these is another.
    const { bucketName, bucketArn } = props.bucket;
    const properties = { bucketName, bucketArn, prefix: props.prefix, kmsKeyArn: props.kmsKey?.keyArn ?? '' };
    new CustomResource(this, 'Result', { serviceToken: check.functionArn, properties });
    if (check.role) {
      Validations.of(check.role).acknowledge({
        id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]',
        reason: 'Lambda’s own managed policy: write to its log group, nothing else.',
      });
    }
  }
}
