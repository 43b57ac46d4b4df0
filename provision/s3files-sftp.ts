import { Annotations, Stack } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Address } from './address.ts';
import { grantPublishMetrics, grantReadUsers, grantSessionManager } from './agent-rights.ts';
import { Alarms } from './alarms.ts';
import { ServiceDashboard } from './dashboard.ts';
import { Host } from './host.ts';
import { HostKeys } from './host-keys.ts';
import { Logs } from './logs.ts';
import { ownNamespace } from './metric-namespace.ts';
import { Network } from './network.ts';
import { Patching } from './patching.ts';
import type { S3FilesSftpProps } from './props.ts';
import { Storage } from './storage.ts';
import { resolveProps } from './validate.ts';

/**
 * An SFTP service whose disk is an S3 bucket. Partners connect to `address`; `host` serves them, mounts `storage`
 * and replaces itself; `logs`, `alarms` and `dashboard` tell how it goes.
 * @throws PropsError naming each wrong prop, its value and the fix
 */
export class S3FilesSftp extends Construct {
  readonly network: Network;
  readonly address: Address;
  readonly storage: Storage;
  readonly hostKeys: HostKeys;
  readonly logs: Logs;
  readonly host: Host;
  readonly alarms: Alarms;
  readonly dashboard: ServiceDashboard;
  readonly metricNamespace: string;

  constructor(scope: Construct, id: string, given: S3FilesSftpProps) {
    super(scope, id);
    const props = resolveProps(given);
    this.metricNamespace = ownNamespace(this, props.metricNamespace);

    // What outlives every host: the address, the data, the keys, the logs.
    this.network = new Network(this, 'Network', props);
    this.address = new Address(this, 'Address', props);
    this.storage = new Storage(this, 'Storage', { ...props, network: this.network });
    this.hostKeys = new HostKeys(this, 'HostKeys', props);
    this.logs = new Logs(this, 'Logs', props);

    // The host, which can be replaced at any time.
    this.host = new Host(this, 'Host', {
      ...props,
      network: this.network,
      address: this.address,
      agent: {
        region: Stack.of(this).region,
        usersPrefix: props.usersPrefix,
        directories: props.directories,
        fileSystemId: this.storage.fileSystemId,
        hostKeysSecret: this.hostKeys.secretArn,
        bucket: this.storage.bucket.bucketName,
        prefix: props.prefix,
        metricNamespace: this.metricNamespace,
      },
      logs: {
        agentGroup: this.logs.agentGroup.logGroupName,
        hostGroup: this.logs.hostGroup.logGroupName,
      },
    });

    // Its rights, each granted by the part that it is about.
    this.storage.grantMount(this.host.role);
    this.storage.grantObjects(this.host.role);
    this.address.grantAssociate(this.host.role, this.host.tag);
    this.hostKeys.grantReadWrite(this.host.role);
    this.logs.grantWrite(this.host.role);
    grantReadUsers(this.host.role, props);
    grantPublishMetrics(this.host.role, this.metricNamespace);
    grantSessionManager(this.host.role);
    // It boots by using all of this, and its signal decides over the deployment.
    this.network.makeReadyFor(this.host.group);
    this.storage.makeReadyFor(this.host.group);
    this.host.group.node.addDependency(this.host.role);

    if (props.amiId === undefined) {
      new Patching(this, 'Patching', { host: this.host, schedule: props.patchSchedule });
    } else {
      Annotations.of(this).addWarningV2(
        's3files-sftp:pinned-image',
        `amiId pins ${props.amiId}: no fix of Amazon Linux arrives until you change it`,
      );
    }

    const monitored = {
      metricNamespace: this.metricNamespace,
      fileSystemId: this.storage.fileSystemId,
      groupName: this.host.groupName,
    };
    this.alarms = new Alarms(this, 'Alarms', { ...props, monitored });
    // Silence is breaching: an alarm that is older than the host would go off on every first deployment.
    this.alarms.node.addDependency(this.host.group);
    this.dashboard = new ServiceDashboard(this, 'Monitoring', {
      alarms: this.alarms.alarms,
      monitored,
      logs: this.logs,
      runbookUrl: props.runbookUrl,
    });
  }
}
