/** Minutes that the agent may be down before the host is given up; systemd restarts it within seconds. */
const UNHEALTHY_AFTER_MINUTES = 10;

export const HEALTH_SERVICE = 's3files-sftp-host-health.service';
export const HEALTH_TIMER = 's3files-sftp-host-health.timer';
export const HEALTH_SCRIPT = '/usr/local/sbin/s3files-sftp-host-health';
/** What the check has to know: INSTANCE_ID, ELASTIC_IP, ALLOCATION_ID, AWS_DEFAULT_REGION. */
export const HOST_ENVIRONMENT = '/etc/s3files-sftp-host/host.env';

/**
 * The files of a check that runs each minute.
 *
 * It gives the host up where systemd can't bring the agent back: the Auto Scaling group then makes a new one. A sick
 * mount is not a sick host (replacing it would not cure S3 Files), so only the agent's unit counts. Stop the timer
 * before stopping the agent for longer.
 *
 * And it takes the address where no host has it and this one serves, which is how a failed update ends well: its host
 * had the address, was ended with it, and the old one is still there. Never by force, so it takes nothing from a
 * successor; EC2 decides between two that try at once.
 */
export function hostHealthFiles(): ReadonlyArray<readonly [path: string, content: string]> {
  return [
    [
      HEALTH_SCRIPT,
      `#!/bin/sh
# Written by the stack. Gives this host up after ${UNHEALTHY_AFTER_MINUTES} checks in a row without the agent, and takes a free address.
set -eu
failures=/run/s3files-sftp-host-health
if ! systemctl is-active --quiet s3files-sftp-agent.service; then
  count=$(( $(cat "$failures" 2>/dev/null || echo 0) + 1 ))
  echo "$count" > "$failures"
  echo "s3files-sftp-agent is not active: check $count of ${UNHEALTHY_AFTER_MINUTES}"
  [ "$count" -ge ${UNHEALTHY_AFTER_MINUTES} ] || exit 0
  exec aws autoscaling set-instance-health --health-status Unhealthy --instance-id "$INSTANCE_ID"
fi
rm -f "$failures"

# EC2 tells a host its address, so AWS is asked nothing while it is the right one.
metadata=http://169.254.169.254/latest
token=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/api/token")
address=$(curl -sf -m 5 -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/public-ipv4" || true)
[ "$address" != "$ELASTIC_IP" ] || exit 0
s3files-sftp status --wait healthy --timeout 5 > /dev/null 2>&1 || exit 0
if answer=$(aws ec2 associate-address --no-allow-reassociation --instance-id "$INSTANCE_ID" \\
  --allocation-id "$ALLOCATION_ID" 2>&1); then
  echo "took the address $ELASTIC_IP, which no host had"
  exit 0
fi
case $answer in
  *Resource.AlreadyAssociated*) ;; # A successor serves.
  *)
    echo "this host serves, but can't take the address $ELASTIC_IP: $answer"
    exit 1
    ;;
esac
`,
    ],
    [
      `/etc/systemd/system/${HEALTH_SERVICE}`,
      `[Unit]
Description=Give this host up when the SFTP agent stays down, and take the address when no host has it
[Service]
Type=oneshot
EnvironmentFile=${HOST_ENVIRONMENT}
ExecStart=${HEALTH_SCRIPT}
TimeoutStartSec=50
`,
    ],
    [
      `/etc/systemd/system/${HEALTH_TIMER}`,
      `[Unit]
Description=Check each minute that the SFTP host serves
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
