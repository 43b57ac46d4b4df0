/** Minutes that the agent may be down before the host is given up; systemd restarts it within seconds. */
const UNHEALTHY_AFTER_MINUTES = 10;

export const HEALTH_TIMER = 's3files-sftp-host-health.timer';

/**
 * The files of a check that runs each minute. A sick mount is not a sick host (replacing it would not cure S3
 * Files), so only the agent's unit counts: where systemd can't bring it back, the Auto Scaling group gets a new
 * host. Stop the timer before stopping the agent for longer.
 */
export function hostHealthFiles(): ReadonlyArray<readonly [path: string, content: string]> {
  return [
    [
      '/usr/local/sbin/s3files-sftp-host-health',
      `#!/bin/sh
# Written by the stack. Gives this host up after ${UNHEALTHY_AFTER_MINUTES} checks in a row without the agent.
set -eu
failures=/run/s3files-sftp-host-health
if systemctl is-active --quiet s3files-sftp-agent.service; then
  rm -f "$failures"
  exit 0
fi
count=$(( $(cat "$failures" 2>/dev/null || echo 0) + 1 ))
echo "$count" > "$failures"
echo "s3files-sftp-agent is not active: check $count of ${UNHEALTHY_AFTER_MINUTES}"
[ "$count" -ge ${UNHEALTHY_AFTER_MINUTES} ] || exit 0
exec aws autoscaling set-instance-health --health-status Unhealthy --instance-id "$INSTANCE_ID"
`,
    ],
    [
      '/etc/systemd/system/s3files-sftp-host-health.service',
      `[Unit]
Description=Give this host up when the SFTP agent stays down
[Service]
Type=oneshot
EnvironmentFile=/etc/s3files-sftp/host.env
ExecStart=/usr/local/sbin/s3files-sftp-host-health
TimeoutStartSec=50
`,
    ],
    [
      `/etc/systemd/system/${HEALTH_TIMER}`,
      `[Unit]
Description=Check each minute that the SFTP agent is up
[Timer]
OnActiveSec=60
OnUnitActiveSec=60
AccuracySec=5
[Install]
WantedBy=timers.target
`,
    ],
  ];
}
