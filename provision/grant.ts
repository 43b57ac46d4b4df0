import { Stack, Validations } from 'aws-cdk-lib';
import { type IRole, PolicyStatement, type PolicyStatementProps } from 'aws-cdk-lib/aws-iam';

export interface Grant extends PolicyStatementProps {
  /** Says in the template what the right is for. */
  readonly sid: string;
  readonly actions: string[];
  readonly resources: string[];
}

/**
 * Adds one statement to a role.
 * @param wildcards why its wildcards are the least that works; required where it has any, and recorded for cdk-nag
 */
export function grant(role: IRole, statement: Grant, wildcards?: string): void {
  role.addToPrincipalPolicy(new PolicyStatement(statement));
  acknowledgeWildcards(role, statement, wildcards);
}

/** Records why a statement has wildcards, finding by finding. @throws TypeError where it has some and no reason */
export function acknowledgeWildcards(role: IRole, statement: Grant, reason?: string): void {
  const resources = statement.resources.map((resource) => flatten(Stack.of(role).resolve(resource)));
  const findings = [
    ...statement.actions.filter(isWildcard).map((action) => `Action::${action}`),
    ...resources.filter(isWildcard).map((resource) => `Resource::${resource}`),
  ];
  if (findings.length === 0) return;
  if (reason === undefined) throw new TypeError(`${statement.sid} has wildcards and does not say why`);
  Validations.of(role).acknowledge(
    ...findings.map((finding) => ({
      id: `AwsSolutions-IAM5[${finding}]`,
      reason: `${statement.sid}: ${reason}`,
    })),
  );
}

const isWildcard = (text: string): boolean => text.includes('*');

/** An ARN with its CloudFormation functions in the form that cdk-nag names findings by: `<Bucket.Arn>/*`. */
function flatten(node: unknown): string {
  if (typeof node === 'string') return node.replaceAll('${', '<').replaceAll('}', '>');
  if (typeof node !== 'object' || node === null) return '';
  if ('Ref' in node) return `<${flatten(node.Ref)}>`;
  if ('Fn::Sub' in node) return flatten(node['Fn::Sub']);
  if ('Fn::GetAtt' in node && Array.isArray(node['Fn::GetAtt'])) {
    return `<${node['Fn::GetAtt'].map(flatten).join('.')}>`;
  }
  if ('Fn::Join' in node && Array.isArray(node['Fn::Join'])) {
    const [delimiter, items] = node['Fn::Join'];
    return items.map(flatten).join(delimiter);
  }
  return JSON.stringify(node);
}
