import { Duration } from 'aws-cdk-lib';
import {
  type Alarm,
  AlarmStatusWidget,
  Dashboard,
  GraphWidget,
  type IWidget,
  LogQueryVisualizationType,
  LogQueryWidget,
  Metric,
  SingleValueWidget,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { METRICS, type MetricName } from '../agent/metrics/catalogue.ts';
import { type Monitored, S3_FILES_NAMESPACE } from './alarms.ts';
import { insightsQuery, LOG_TABLES, type LogTable } from './log-queries.ts';
import type { Logs } from './logs.ts';

export interface DashboardProps {
  readonly alarms: readonly Alarm[];
  readonly monitored: Monitored;
  readonly logs: Logs;
  readonly runbookUrl: string;
}

const FIVE_MINUTES = Duration.minutes(5);
/** The console's grid is 24 wide. */
const FULL = 24;
const HALF = 12;
const THIRD = 8;

/** Read from the top at 3 a.m.: is it healthy, do uploads come in, do they arrive, is the host all right, and who is concerned. */
export class ServiceDashboard extends Construct {
  readonly name: string;
  readonly #props: DashboardProps;

  constructor(scope: Construct, id: string, props: DashboardProps) {
    super(scope, id);
    this.#props = props;
    const dashboard = new Dashboard(this, 'Dashboard', { defaultInterval: Duration.hours(12) });
    this.name = dashboard.dashboardName;
    for (const row of [
      ...this.#health(),
      ...this.#uploads(),
      ...this.#delivery(),
      ...this.#host(),
      ...this.#tables(),
    ]) {
      dashboard.addWidgets(...row);
    }
  }

  #health(): IWidget[][] {
    const { alarms, runbookUrl } = this.#props;
    return [
      [heading(`# Health\nA red alarm names its page in ${runbookUrl}.`)],
      [
        new AlarmStatusWidget({ title: 'Alarms', alarms: [...alarms], width: HALF, height: 6 }),
        new SingleValueWidget({
          title: 'Now: mount (1 = serving), users, held changes',
          metrics: [this.#agent('MountHealthy'), this.#agent('ActiveUsers'), this.#agent('AccountSyncHeld')],
          width: HALF,
          height: 6,
        }),
      ],
      [
        graph('Mount serves partners (1) or refuses them (0)', HALF, [this.#agent('MountHealthy')], {
          min: 0,
          max: 1,
        }),
        graph(
          'Users: seconds since last read, and changes held',
          HALF,
          [this.#agent('AccountSyncAgeSeconds')],
          {},
          [this.#agent('AccountSyncHeld')],
        ),
      ],
    ];
  }

  #uploads(): IWidget[][] {
    return [
      [heading('# Uploads')],
      [
        graph('Files uploaded whole', THIRD, [this.#agent('UploadCount')]),
        graph('Bytes uploaded', THIRD, [this.#agent('UploadBytes')]),
        graph('Uploads that broke off', THIRD, [this.#agent('PartialUploads')]),
      ],
    ];
  }

  #delivery(): IWidget[][] {
    return [
      [heading('# Delivery: from the mount to the bucket')],
      [
        graph('Uploads not in the bucket in time', THIRD, [this.#agent('UndeliveredUploads')], { min: 0 }),
        graph('Seconds from upload to object (p95)', THIRD, [this.#agent('DeliveryLagSeconds')]),
        graph(
          'S3 Files: pending exports and age of the oldest',
          THIRD,
          [this.#s3Files('PendingExports', 'Maximum')],
          {},
          [this.#s3Files('ExportAge', 'Maximum')],
        ),
      ],
      [
        graph('S3 Files: failures and files set aside', HALF, [
          this.#s3Files('ExportFailures', 'Sum'),
          this.#s3Files('ImportFailures', 'Sum'),
          this.#s3Files('LostAndFoundFiles', 'Maximum'),
        ]),
        graph('S3 Files: bytes on the fast storage ($0.30 per GB and month)', HALF, [
          this.#s3Files('StorageBytes', 'Maximum'),
        ]),
      ],
    ];
  }

  #host(): IWidget[][] {
    return [
      [heading('# Host')],
      [
        graph(
          'CPU %, and borrowed credits',
          THIRD,
          [this.#ec2('CPUUtilization', 'Maximum')],
          { min: 0, max: 100 },
          [this.#ec2('CPUSurplusCreditBalance', 'Maximum')],
        ),
        graph('Network bytes', THIRD, [this.#ec2('NetworkIn', 'Sum'), this.#ec2('NetworkOut', 'Sum')]),
        graph(
          'Status checks failed, and seconds a mount took to recover',
          THIRD,
          [this.#ec2('StatusCheckFailed', 'Maximum')],
          { min: 0 },
          [this.#agent('MountRecoverySeconds')],
        ),
      ],
    ];
  }

  #tables(): IWidget[][] {
    const [first = [], second = [], third = []] = [0, 2, 4].map((at) =>
      LOG_TABLES.slice(at, at + 2).map((table) => this.#table(table)),
    );
    return [[heading('# Partners, from the log')], first, second, third];
  }

  #table(table: LogTable): IWidget {
    const group = table.group === 'agent' ? this.#props.logs.agentGroup : this.#props.logs.hostGroup;
    return new LogQueryWidget({
      title: table.title,
      logGroupNames: [group.logGroupName],
      queryLines: insightsQuery(table),
      view: LogQueryVisualizationType.TABLE,
      width: HALF,
      height: 7,
    });
  }

  #agent(name: MetricName): Metric {
    return new Metric({
      namespace: this.#props.monitored.metricNamespace,
      metricName: name,
      statistic: METRICS[name].statistic,
      period: FIVE_MINUTES,
    });
  }

  #s3Files(metricName: string, statistic: string): Metric {
    const dimensionsMap = { FileSystemId: this.#props.monitored.fileSystemId };
    return new Metric({
      namespace: S3_FILES_NAMESPACE,
      metricName,
      dimensionsMap,
      statistic,
      period: FIVE_MINUTES,
    });
  }

  #ec2(metricName: string, statistic: string): Metric {
    const dimensionsMap = { AutoScalingGroupName: this.#props.monitored.groupName };
    return new Metric({ namespace: 'AWS/EC2', metricName, dimensionsMap, statistic, period: FIVE_MINUTES });
  }
}

function heading(markdown: string): IWidget {
  return new TextWidget({ markdown, width: FULL, height: 1 });
}

function graph(
  title: string,
  width: number,
  left: Metric[],
  leftYAxis: { min?: number; max?: number } = {},
  right: Metric[] = [],
): IWidget {
  return new GraphWidget({ title, width, height: 6, left, right, leftYAxis });
}
