import { Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { METRIC_NAMESPACE } from '../agent/config.ts';
import { PropsError } from './validate.ts';

/**
 * The namespace of one service's metrics (docs/decisions: a namespace for each stack): its alarms must not see
 * another service's heartbeat.
 * @param given the prop; without it the namespace ends in the stack's name, which is unique in account and region
 * @throws PropsError where another service of the app publishes to the same namespace of the same place
 */
export function ownNamespace(service: Construct, given: string | undefined): string {
  const place = ({ account, region }: Stack) => `${account} ${region}`;
  const stack = Stack.of(service);
  const namespace = given ?? `${METRIC_NAMESPACE}/${stack.stackName}`;
  const other = service.node.root.node
    .findAll()
    .find(
      (each) =>
        each !== service &&
        'metricNamespace' in each &&
        each.metricNamespace === namespace &&
        place(Stack.of(each)) === place(stack),
    );
  if (other === undefined) return namespace;
  const fix = `is the namespace of ${other.node.path} too, whose alarms would see this service’s metrics; name another one`;
  throw new PropsError([{ prop: 'metricNamespace', value: namespace, fix }]);
}
