import { readFileSync } from 'node:fs';
import { Match } from 'aws-cdk-lib/assertions';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { describe, expect, it } from 'vitest';
import { METRICS } from '../../agent/metrics/catalogue.ts';
import { cpuAlarm } from '../../provision/alarm-table.ts';
import { LOG_TABLES } from '../../provision/log-queries.ts';
import { evaluate, templateOf } from './synthesized.ts';

const template = templateOf();
const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(
  ({ Properties }) => Properties,
);
const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
const anchors = new Set(
  [...runbook.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  ),
);

const PUBLISH = { Action: 'sns:Publish', Principal: { Service: 'cloudwatch.amazonaws.com' } };

describe('the alarms', () => {
  it('are ten, each on one standard-resolution metric, which is what is free', () => {
    expect(alarms).toHaveLength(10);
    for (const alarm of alarms) {
      expect(alarm.Metrics).toBeUndefined();
      expect(alarm.Period).toBeGreaterThanOrEqual(60);
    }
  });

  it('name only metrics that the agent publishes, without dimensions', () => {
    const ours = alarms.filter(({ Namespace }) => Namespace === 'S3FilesSftp/Test');
    expect(ours.length).toBe(6);
    for (const { MetricName, Dimensions } of ours) {
      expect(Object.keys(METRICS)).toContain(MetricName);
      expect(Dimensions).toBeUndefined();
    }
  });

  it('watch S3 Files by file system, and EC2 by the group, which outlives its hosts', () => {
    const dimension = (namespace: string) =>
      new Set(
        alarms
          .filter(({ Namespace }) => Namespace === namespace)
          .flatMap(({ Dimensions }) => Dimensions[0].Name),
      );
    expect(dimension('AWS/S3/Files')).toEqual(new Set(['FileSystemId']));
    expect(dimension('AWS/EC2')).toEqual(new Set(['AutoScalingGroupName']));
  });

  it('take silence for a fault in the heartbeat, and only there', () => {
    const silent = alarms.filter(({ TreatMissingData }) => TreatMissingData === 'breaching');
    expect(silent.map(({ MetricName, Statistic }) => [MetricName, Statistic])).toEqual([
      ['MountHealthy', 'SampleCount'],
    ]);
  });

  it('see one unhealthy host among several', () => {
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName: 'MountHealthy',
      Statistic: 'Minimum',
      Threshold: 1,
      ComparisonOperator: 'LessThanThreshold',
    });
  });

  it('each lead to a page of the runbook that exists and says the three things', () => {
    for (const { AlarmDescription } of alarms) {
      const anchor: string = AlarmDescription.match(/docs\/runbook\.md#(\S+)$/)?.[1] ?? 'none';
      expect(anchors).toContain(anchor);
      const page = runbook
        .split(/^## /m)
        .find((text) => text.toLowerCase().replaceAll(' ', '-').startsWith(anchor));
      for (const part of ['**What it means.**', '**Confirm.**', '**Do.**'])
        expect(page, anchor).toContain(part);
    }
  });

  it('may publish to the topic of the stack’s own, whose policy replaces the default one', () => {
    template.hasResourceProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([Match.objectLike({ Effect: 'Allow', ...PUBLISH })]),
      },
    });
  });

  it('are heard: raised and cleared at one topic, given or made, that refuses plain HTTP', () => {
    expect(alarms.map(({ AlarmActions }) => AlarmActions?.length)).toEqual(Array(10).fill(1));
    const cleared = alarms.filter(({ OKActions }) => OKActions !== undefined);
    for (const alarm of cleared) expect(alarm.OKActions).toEqual(alarm.AlarmActions);
    expect(cleared).toHaveLength(9);
    template.hasResourceProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        ]),
      },
    });
    const given = templateOf((stack) => ({
      alarmTopic: Topic.fromTopicArn(stack, 'Ops', 'arn:aws:sns:eu-central-1:123456789012:ops'),
    }));
    given.resourceCountIs('AWS::SNS::Topic', 0);
    given.allResourcesProperties('AWS::CloudWatch::Alarm', {
      AlarmActions: ['arn:aws:sns:eu-central-1:123456789012:ops'],
    });
    templateOf(() => ({ alarmEmail: 'ops@example.com' })).hasResourceProperties('AWS::SNS::Subscription', {
      Protocol: 'email',
      Endpoint: 'ops@example.com',
    });
  });

  it('do not say that an upload arrived because its host was replaced', () => {
    const [undelivered] = alarms.filter(({ MetricName }) => MetricName === 'UndeliveredUploads');
    expect(undelivered?.OKActions).toBeUndefined();
  });

  it('may publish to a topic of the same app that has a policy and a key of its own', () => {
    const given = templateOf((stack) => ({
      alarmTopic: new Topic(stack, 'Ops', { enforceSSL: true, masterKey: new Key(stack, 'OpsKey') }),
    }));
    given.resourceCountIs('AWS::SNS::Topic', 1);
    given.hasResourceProperties('AWS::SNS::TopicPolicy', {
      Topics: [{ Ref: Match.stringLikeRegexp('^Ops') }],
      PolicyDocument: {
        Statement: Match.arrayWith([Match.objectLike({ Effect: 'Allow', ...PUBLISH })]),
      },
    });
    given.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Allow',
            Action: ['kms:Decrypt', 'kms:GenerateDataKey*'],
            Principal: { Service: 'cloudwatch.amazonaws.com' },
          }),
        ]),
      },
    });
  });

  it('see a failed status check where EC2 reports it once in five minutes', () => {
    const [check] = alarms.filter(({ MetricName }) => MetricName === 'StatusCheckFailed');
    expect(check).toMatchObject({ Period: 300, EvaluationPeriods: 1, Statistic: 'Maximum' });
  });

  it('measure CPU by what is borrowed on T types, and by use on the others', () => {
    expect(cpuAlarm('t4g.small')).toMatchObject({
      threshold: 288,
      source: { name: 'CPUSurplusCreditBalance' },
    });
    expect(cpuAlarm('t4g.large').threshold).toBe(432);
    expect(cpuAlarm('m7g.medium')).toMatchObject({ threshold: 90, source: { name: 'CPUUtilization' } });
  });
});

describe('the dashboard', () => {
  const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'));
  const { widgets } = JSON.parse(evaluate(dashboard?.Properties.DashboardBody));
  type Widget = {
    type: string;
    y: number;
    properties: { markdown?: string; metrics?: [string, string][]; query?: string };
  };
  const inOrder: Widget[] = widgets;

  it('shows health first, then uploads, delivery, host, and partners', () => {
    const headings = inOrder
      .filter(({ type }) => type === 'text')
      .toSorted((a, b) => a.y - b.y)
      .map(({ properties }) => properties.markdown?.match(/^# (\w+)/)?.[1]);
    expect(headings).toEqual(['Health', 'Uploads', 'Delivery', 'Host', 'Partners']);
    expect(Math.min(...inOrder.filter(({ type }) => type === 'alarm').map(({ y }) => y))).toBeLessThan(2);
  });

  it('shows all ten metrics, and few enough to be free', () => {
    const metrics = inOrder.flatMap(({ properties }) => properties.metrics ?? []);
    const ours = metrics.filter(([namespace]) => namespace === 'S3FilesSftp/Test').map(([, name]) => name);
    expect(new Set(ours)).toEqual(new Set(Object.keys(METRICS)));
    expect(metrics.length).toBeLessThan(50);
  });

  it('asks every table of one of the two log groups', () => {
    const groups = Object.keys(template.findResources('AWS::Logs::LogGroup'));
    const queries = inOrder
      .filter(({ type }) => type === 'log')
      .map(({ properties }) => properties.query ?? '');
    expect(queries).toHaveLength(LOG_TABLES.length);
    for (const query of queries) {
      expect(groups).toContain(query.match(/^SOURCE '<(\w+)>'/)?.[1]);
    }
  });
});
