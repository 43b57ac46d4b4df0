/**
 * What ships the journal: amazon-cloudwatch-agent from Amazon Linux's own repository. It reads journald since
 * 1.300070.0 (https://github.com/aws/amazon-cloudwatch-agent/pull/2121); earlier releases refuse the `journald`
 * section. No third party's repository is needed at boot, when a replaced host must come up by itself.
 */
export const SHIPPER_PACKAGE = 'amazon-cloudwatch-agent';
export const SHIPPER_LEAST_VERSION = '1.300070.0';

/** systemd keeps the shipper from starving sshd and the mount's proxy of the host's 2 GiB. */
export const SHIPPER_MEMORY = { high: '192M', max: '256M' } as const;

export interface LogGroups {
  /** The agent's own events: uploads, receipts, sessions, refused logins, syncs, mount. */
  readonly agentGroup: string;
  /** Boot, mount helper, watchdog and proxy. */
  readonly hostGroup: string;
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
