import { App, type AppProps } from 'aws-cdk-lib';
import { propsFromContext, readContext } from './context.ts';
import { S3FilesSftpStack } from './stack.ts';
import { PropsError } from './validate.ts';

/** The app of cdk.json: `npx aws-cdk@2 deploy` runs it, and so does `npm run synth` through synth.ts. */

/** In code rather than in cdk.json, so that the template is the same without the cdk command. */
const FLAGS = {
  /** CloudFormation's own schemas and rules fail the synthesis. */
  '@aws-cdk/core:validateAgainstDefaultRules': true,
  '@aws-cdk/core:annotationsInValidationReport': true,
  '@aws-cdk/core:checkSecretUsage': true,
  '@aws-cdk/aws-autoscaling:generateLaunchTemplateInsteadOfLaunchConfig': true,
  '@aws-cdk/aws-ec2:uniqueImdsv2TemplateName': true,
  '@aws-cdk/aws-s3:publicAccessBlockedByDefault': true,
} as const;

/** Synthesises the stack. @throws PropsError */
export function synthesise(context: Readonly<Record<string, string>> = {}, props: AppProps = {}): App {
  const app = new App({ analyticsReporting: false, ...props, context: { ...FLAGS, ...context } });
  const settings = readContext(app.node.getAllContext());
  // Without a look-up the template is for any account and region.
  const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env;
  if (settings.vpcId !== undefined && (account === undefined || region === undefined)) {
    const fix =
      'is looked up, which needs credentials: run it with npx aws-cdk@2, and a profile or AWS_REGION';
    throw new PropsError([{ prop: '-c vpcId', value: settings.vpcId, fix }]);
  }
  const env = settings.vpcId !== undefined && account && region ? { env: { account, region } } : {};
  new S3FilesSftpStack(
    app,
    settings.stackName ?? 'S3FilesSftp',
    (stack) => propsFromContext(settings, stack),
    env,
  );
  app.synth();
  return app;
}

if (import.meta.main) {
  try {
    synthesise();
  } catch (error) {
    if (!(error instanceof PropsError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
