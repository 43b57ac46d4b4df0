import { Duration, Stack } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { METRICS } from '../agent/metrics/catalogue.ts';
import { ALARMS, type AlarmDefinition, cpuAlarm, type MetricSource } from './alarm-table.ts';
import type { ResolvedProps } from './props.ts';

/** What metrics are filed under. */
export interface Monitored {
  readonly metricNamespace: string;
  readonly fileSystemId: string;
  readonly groupName: string;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-files-monitoring-cloudwatch.html */
export const S3_FILES_NAMESPACE = 'AWS/S3/Files';

/** @returns the metric that a source names, folded as its catalogue says */
function metricOf(source: MetricSource, monitored: Monitored, periodSeconds: number): Metric {
  const period = Duration.seconds(periodSeconds);
  switch (source.from) {
    case 'agent':
      return new Metric({
        namespace: monitored.metricNamespace,
        metricName: source.name,
        statistic: source.statistic ?? METRICS[source.name].statistic,
        period,
      });
    case 's3-files':
      return new Metric({
        namespace: S3_FILES_NAMESPACE,
        metricName: source.name,
        dimensionsMap: { FileSystemId: monitored.fileSystemId },
        statistic: source.statistic,
        period,
      });
    case 'ec2':
      return new Metric({
        namespace: 'AWS/EC2',
        metricName: source.name,
        dimensionsMap: { AutoScalingGroupName: monitored.groupName },
        statistic: source.statistic,
        period,
      });
  }
}

const SILENCE = {
  bad: TreatMissingData.BREACHING,
  ignore: TreatMissingData.IGNORE,
  good: TreatMissingData.NOT_BREACHING,
} as const;

export interface AlarmsProps
  extends Pick<ResolvedProps, 'alarmTopic' | 'alarmEmail' | 'instanceType' | 'runbookUrl'> {
  readonly monitored: Monitored;
}

/** The ten alarms, and who hears them. */
export class Alarms extends Construct {
  readonly alarms: readonly Alarm[];
  readonly topic: ITopic;

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    this.topic =
      props.alarmTopic ?? new Topic(this, 'Topic', { displayName: 'S3 Files SFTP', enforceSSL: true });
    letAlarmsPublish(this.topic);
    if (props.alarmEmail) this.topic.addSubscription(new EmailSubscription(props.alarmEmail));
    const action = new SnsAction(this.topic);
    this.alarms = [...ALARMS, cpuAlarm(props.instanceType)].map((definition) => {
      const alarm = this.#create(definition, props);
      alarm.addAlarmAction(action);
      if (definition.clears !== 'unheard') alarm.addOkAction(action);
      return alarm;
    });
  }

  #create(definition: AlarmDefinition, { monitored, runbookUrl }: AlarmsProps): Alarm {
    return new Alarm(this, definition.id, {
      alarmDescription: `${definition.meaning} What to do: ${runbookUrl}#${definition.runbook}`,
      metric: metricOf(definition.source, monitored, definition.periodSeconds),
      comparisonOperator:
        definition.when === 'below'
          ? ComparisonOperator.LESS_THAN_THRESHOLD
          : ComparisonOperator.GREATER_THAN_THRESHOLD,
      threshold: definition.threshold,
      evaluationPeriods: definition.periods,
      treatMissingData: SILENCE[definition.silence],
    });
  }
}

/**
 * A topic without a policy takes alarms from its account; one that has a policy, or a key, takes none unless they say
 * so, and the alarm turns red unheard. Does nothing to a topic or key from elsewhere, which are not ours to change
 * (what they must allow is said at the prop).
 */
function letAlarmsPublish(topic: ITopic): void {
  const principals = [new ServicePrincipal('cloudwatch.amazonaws.com')];
  topic.addToResourcePolicy(
    new PolicyStatement({
      sid: 'AlarmsPublish',
      principals,
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(topic).account } },
    }),
  );
  // Without a condition on the account, as https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html has it.
  topic.masterKey?.addToResourcePolicy(
    new PolicyStatement({
      sid: 'AlarmsEncrypt',
      principals,
      actions: ['kms:Decrypt', 'kms:GenerateDataKey*'],
      resources: ['*'],
    }),
  );
}
