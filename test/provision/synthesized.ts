import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, type Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import type { S3FilesSftpProps } from '../../provision/props.ts';
import { S3FilesSftpStack } from '../../provision/stack.ts';

/** Any bytes will do: the stack only carries them, with their checksum. */
export const RPM_BYTES = 'stand-in for the package\n';

const scratch = mkdtempSync(join(tmpdir(), 's3files-sftp-provision-'));
export const RPM = join(scratch, 's3files-sftp-agent.noarch.rpm');
writeFileSync(RPM, RPM_BYTES);

/** As the app does, with CloudFormation's own rules as errors. */
export function newApp(outdir?: string): App {
  return new App({
    analyticsReporting: false,
    context: { '@aws-cdk/core:validateAgainstDefaultRules': true },
    ...(outdir === undefined ? {} : { outdir }),
  });
}

export function makeStack(
  props: (stack: Stack) => Partial<S3FilesSftpProps> = () => ({}),
  app = newApp(),
): S3FilesSftpStack {
  return new S3FilesSftpStack(app, 'Test', (stack) => ({ rpm: RPM, ...props(stack) }));
}

export function templateOf(props?: (stack: Stack) => Partial<S3FilesSftpProps>): Template {
  return Template.fromStack(makeStack(props));
}

/** What CloudFormation would put in for functions, as readable text: `{Ref: X}` → `<X>`. */
export function evaluate(node: unknown): string {
  if (typeof node === 'string') return node;
  if (typeof node !== 'object' || node === null) return String(node);
  const [[name, value] = []] = Object.entries(node);
  switch (name) {
    case 'Ref':
      return String(value) === 'AWS::Region' ? 'eu-central-1' : `<${value}>`;
    case 'Fn::GetAtt':
      return String(value[1]) === 'FileSystemId' ? 'fs-0123456789abcdef0' : `<${value.join('.')}>`;
    case 'Fn::Sub':
      return String(value).replaceAll(/\$\{AWS::(\w+)\}/g, '<AWS::$1>');
    case 'Fn::Base64':
      return evaluate(value);
    case 'Fn::Join':
      return value[1].map(evaluate).join(value[0]);
    default:
      throw new TypeError(`no value for ${name}`);
  }
}

/** Reads the parts of a MIME message as cloud-init does, with Python's own parser. */
const MIME_PARTS = `
import email, json, sys
message = email.message_from_string(sys.stdin.read())
parts = [part for part in message.walk() if part.get_content_maintype() != "multipart"]
print(json.dumps([[part.get_content_type(), part.get_payload(decode=True).decode("ascii")] for part in parts]))
`;

/** The whole user data of the hosts, and what cloud-init gets out of it. */
export function userDataOf(template: Template) {
  const [launch] = Object.values(template.findResources('AWS::EC2::LaunchTemplate'));
  const whole = evaluate(launch?.Properties.LaunchTemplateData.UserData);
  const parts: [type: string, content: string][] = JSON.parse(
    execFileSync('python3', ['-c', MIME_PARTS], { input: whole, encoding: 'utf8' }),
  );
  const part = (wanted: string) => parts.find(([type]) => type === wanted)?.[1] ?? '';
  return {
    whole,
    types: parts.map(([type]) => type),
    earlyBoot: part('text/cloud-boothook'),
    bootScript: part('text/x-shellscript'),
  };
}

export interface Statement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: Record<string, Record<string, unknown>>;
}

/** Every statement of the identity policies that name a role whose logical id begins so. */
export function statementsOf(template: Template, role: string): Statement[] {
  return Object.values(template.findResources('AWS::IAM::Policy'))
    .filter(({ Properties }) => Properties.Roles.some((name: { Ref: string }) => name.Ref.startsWith(role)))
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement);
}

export const actionsOf = (statements: readonly Statement[]): string[] =>
  statements.flatMap(({ Action }) => Action).sort();
