import { HEALTH_SERVICE } from './host-health.ts';

/**
 * What ships the journal: amazon-cloudwatch-agent from Amazon Linux's own repository. It reads journald since
 * 1.300070.0 (https://github.com/aws/amazon-cloudwatch-agent/pull/2121); earlier releases refuse the `journald`
 * section, and Amazon Linux has a later one since 2023.12.20260928
 * (https://docs.aws.amazon.com/linux/al2023/release-notes/relnotes-2023.12.20260928.html). No third party's repository is needed at boot, when a replaced host must come up by itself.
 */
export const SHIPPER_PACKAGE = 'amazon-cloudwatch-agent';
const LEAST_VERSION = '1.300070.0';
const DIRECTORY = '/opt/aws/amazon-cloudwatch-agent';
const CONFIG = '/etc/s3files-sftp-host/log-shipper.json';

/** systemd keeps the shipper from starving sshd and the mount's proxy of the host's 2 GiB. */
const MEMORY = { aim: '160MiB', high: '192M', max: '256M' } as const;

export interface LogGroups {
  /** The agent's own events: uploads, receipts, sessions, refused logins, syncs, mount. */
  readonly agentGroup: string;
  /** Boot, the minute's check, mount helper, watchdog and proxy. */
  readonly hostGroup: string;
}

/** @returns what is written before the shipper starts */
export function shipperFiles(groups: LogGroups): ReadonlyArray<readonly [path: string, content: string]> {
  return [
    [CONFIG, renderShipperConfig(groups)],
    [
      `/etc/systemd/system/${SHIPPER_PACKAGE}.service.d/memory.conf`,
      `[Service]\nEnvironment=GOMEMLIMIT=${MEMORY.aim}\nMemoryHigh=${MEMORY.high}\nMemoryMax=${MEMORY.max}\n`,
    ],
  ];
}

/** @returns a shell function that installs and starts the shipper; it relies on the boot script's `retry` */
export function renderShipperStart(): string {
  return `start_shipper() {
  retry dnf install -y '${SHIPPER_PACKAGE} >= ${LEAST_VERSION}' &&
    systemctl daemon-reload &&
    ${DIRECTORY}/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c file:${CONFIG} &&
    sleep 5 &&
    systemctl is-active ${SHIPPER_PACKAGE}.service
}`;
}

/**
 * The shipper's configuration (JSON schema: translator/config/schema.json of its repository). The partner sshd's
 * raw lines stay on the host, in its own journal namespace: the agent's events say what happened, and text that
 * strangers can write before they log in reaches no log group. Groups and retention are the stack's, so the
 * shipper may create neither.
 */
export function renderShipperConfig({ agentGroup, hostGroup }: LogGroups): string {
  const hostFile = (file_path: string, stream: string) => ({
    file_path,
    log_group_name: hostGroup,
    log_stream_name: `{instance_id}/${stream}`,
  });
  const config = {
    // Root: the mount helper's logs are readable by root only.
    agent: { run_as_user: 'root' },
    logs: {
      logs_collected: {
        journald: {
          collect_list: [
            {
              log_group_name: agentGroup,
              log_stream_name: '{instance_id}',
              units: ['s3files-sftp-agent.service'],
            },
            {
              log_group_name: hostGroup,
              log_stream_name: '{instance_id}/host-health',
              units: [HEALTH_SERVICE],
            },
          ],
        },
        files: {
          collect_list: [
            hostFile('/var/log/cloud-init-output.log', 'boot'),
            hostFile('/var/log/amazon/efs/mount.log', 'mount-helper'),
            hostFile('/var/log/amazon/efs/mount-watchdog.log', 'mount-watchdog'),
            // One file per mount; a pattern follows the newest.
            hostFile('/var/log/amazon/efs/*.efs-proxy.log', 'efs-proxy'),
          ],
        },
      },
    },
  };
  return JSON.stringify(config, null, 2);
}
