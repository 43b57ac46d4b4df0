import { readFileSync } from 'node:fs';
import { CustomResource, Duration, Validations } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';

/**
 * Fails the deployment where a bucket from outside the app is not versioned, lacks a lifecycle rule, or lets the
 * public in. It only reads: CloudFormation can't add rules to a bucket that it doesn't own, and putting a whole
 * new lifecycle would throw away the owner's.
 */
export class BucketCheck extends Construct {
  constructor(scope: Construct, id: string, props: { readonly bucket: IBucket }) {
    super(scope, id);
    const logGroup = new LogGroup(this, 'Log', { retention: RetentionDays.ONE_MONTH });
    const check = new LambdaFunction(this, 'Function', {
      description: 'Refuses a bucket without versioning and lifecycle rules while deploying',
      runtime: Runtime.PYTHON_3_15,
      handler: 'index.handler',
      // Inline: no asset, no build, and CloudFormation supplies the cfnresponse module it imports.
      code: Code.fromInline(readFileSync(new URL('./bucket-check.py', import.meta.url), 'utf8')),
      timeout: Duration.seconds(30),
      logGroup,
    });
    check.addToRolePolicy(
      new PolicyStatement({
        sid: 'ReadBucketSettings',
        actions: ['s3:GetBucketVersioning', 's3:GetLifecycleConfiguration', 's3:GetBucketPublicAccessBlock'],
        resources: [props.bucket.bucketArn],
      }),
    );
    // Checked again whenever the bucket is another one.
    const { bucketName } = props.bucket;
    new CustomResource(this, 'Result', { serviceToken: check.functionArn, properties: { bucketName } });
    if (check.role) {
      Validations.of(check.role).acknowledge({
        id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]',
        reason: 'Lambda’s own managed policy: write to its log group, nothing else.',
      });
    }
  }
}
