import { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { METRIC_NAMESPACE, parseConfig } from '../../agent/config.ts';

import { S3FilesSftpStack } from '../../provision/stack.ts';
import { PropsError } from '../../provision/validate.ts';
import { evaluate, newApp, RPM, statementsOf } from './synthesized.ts';

const stack = (app = newApp(), name = 'Test', props: { metricNamespace?: string } = {}, env = {}) =>
  new S3FilesSftpStack(app, name, () => ({ rpm: RPM, ...props }), env);

/** Every namespace of ours that a stack's parts name: configuration, right, alarms, dashboard. */
function namespacesOf(template: Template) {
  const [launch] = Object.values(template.findResources('AWS::EC2::LaunchTemplate'));
  const toml = evaluate(launch?.Properties.LaunchTemplateData.UserData).match(
    /^# Written by the stack[\s\S]*?(?=\nCONTENT$)/m,
  )?.[0];
  const config = parseConfig((toml ?? '').replaceAll(/<(\w+)>/g, (_, id: string) => id.toLowerCase()));
  const right = statementsOf(template, 'SftpHostRole').find(({ Sid }) => Sid === 'PublishMetrics');
  const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'));
  const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm'));
  return {
    agent: config.metrics.namespace,
    right: right?.Condition?.StringEquals?.['cloudwatch:namespace'],
    alarms: alarms.map(({ Properties }) => Properties.Namespace).filter((name) => !name.startsWith('AWS/')),
    dashboard: [...evaluate(dashboard?.Properties.DashboardBody).matchAll(/"metrics":\[\["([^"]+)/g)]
      .map(([, name]) => name)
      .filter((name) => !name?.startsWith('AWS/')),
  };
}

describe('the metrics’ namespace', () => {
  it.each([
    ['the stack’s own by default', {}, `${METRIC_NAMESPACE}/Test`],
    ['the one that is given', { metricNamespace: 'acme/sftp' }, 'acme/sftp'],
  ])('is %s, in the agent’s configuration, its right, the alarms and the dashboard', (_, props, expected) => {
    const named = namespacesOf(Template.fromStack(stack(newApp(), 'Test', props)));
    expect(named.agent).toBe(expected);
    expect(named.right).toBe(expected);
    expect(named.alarms).toHaveLength(6);
    expect(named.dashboard.length).toBeGreaterThan(5);
    expect(new Set([...named.alarms, ...named.dashboard])).toEqual(new Set([expected]));
  });

  it('differs between two stacks that say nothing', () => {
    const app = newApp();
    const [one, other] = [stack(app, 'One'), stack(app, 'Other')];
    expect(one.sftp.metricNamespace).not.toBe(other.sftp.metricNamespace);
  });

  it('is refused where another service of the same place has it already', () => {
    const app = newApp();
    stack(app, 'One', { metricNamespace: 'acme/sftp' });
    expect(() => stack(app, 'Other', { metricNamespace: 'acme/sftp' })).toThrow(PropsError);
    expect(() => stack(app, 'Third', { metricNamespace: 'acme/sftp' })).toThrow(
      /metricNamespace \("acme\/sftp"\): is the namespace of One\/Sftp too/,
    );
  });

  it('may be the same in another region', () => {
    const app = newApp();
    const account = '123456789012';
    stack(app, 'One', { metricNamespace: 'acme/sftp' }, { env: { account, region: 'eu-central-1' } });
    stack(app, 'Other', { metricNamespace: 'acme/sftp' }, { env: { account, region: 'us-east-1' } });
  });
});
