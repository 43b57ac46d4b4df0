import { type AgentSettings, renderAgentConfig } from './agent-config.ts';
import { HEALTH_SCRIPT, HEALTH_TIMER, HOST_ENVIRONMENT, hostHealthFiles } from './host-health.ts';
import { type LogGroups, renderShipperStart, SHIPPER_PACKAGE, shipperFiles } from './log-shipper.ts';
import { MOUNT_HELPER_CONFIG, MOUNT_HELPER_SETTINGS, renderIniEditor } from './mount-helper.ts';
import { shellFile } from './shell-file.ts';

export interface BootSettings {
  readonly agent: AgentSettings;
  readonly logs: LogGroups;
  /** Where CloudFormation and the Auto Scaling group hear how the boot went. */
  readonly signal: {
    readonly stack: string;
    readonly resource: string;
    readonly group: string;
    readonly hook: string;
  };
  readonly rpm: { readonly bucket: string; readonly key: string; readonly sha256: string };
  readonly address: { readonly allocationId: string; readonly ip: string };
  /** Longest wait for `s3files-sftp status --wait healthy`, in seconds. */
  readonly readySeconds: number;
}

/**
 * The host's boot script, for bash. Values may be CloudFormation tokens. ASCII, since it travels as one part of a
 * MIME message.
 *
 * Its order answers one question: at no time may the address be on a host that does not serve, or on none.
 *
 * 1. Logs ship first, so that whatever fails after that is read in CloudWatch and not on a console that is gone.
 * 2. Everything that can fail comes before the address moves: package, configuration, mount, the minute's check.
 * 3. The address moves by force, since a dead predecessor may still have it. Nothing but telling follows.
 *
 * What then happens where, with MinHealthyPercentage and MinInstancesInService keeping the old host until the end:
 *
 * - *First deployment*: nobody has the address. A failure is signalled with its step; the stack rolls back.
 * - *Update*: the new host takes the address and signals; CloudFormation ends the old one. A failure before step 3
 *   leaves the address where it was. If the update fails after it (the signal is lost, a later resource fails, somebody
 *   cancels), CloudFormation ends the new host or makes another from the old template: that one takes the address by
 *   booting, or the old host by its minute's check, as soon as the end of the new one sets it free.
 * - *Instance refresh and unhealthy host*: no deployment waits for the signal; the launch hook takes its place. Without
 *   CONTINUE the group ends the new host and tries another, and the old one has or retakes the address as above.
 * - *Dead host* (its instance is gone): the address is free or on the dead one; its successor takes it.
 *
 * Logs that don't ship fail a deployment, before the address moves; a host that replaces another serves without them.
 */
export function renderBootScript(settings: BootSettings): string {
  const { agent, rpm, signal, address } = settings;
  return `#!/bin/bash
set -Eeuo pipefail
export AWS_DEFAULT_REGION='${agent.region}' AWS_PAGER='' LC_ALL=C.UTF-8
instance_id=unknown
step=start

say() { echo "s3files-sftp boot: $*"; }

# Tells CloudFormation how the boot went; fails where no deployment waits to hear it.
signal() {
  local answer rest
  for rest in 5 15 0; do
    answer=$(/opt/aws/bin/cfn-signal --exit-code "$1" --reason "$2" --region '${agent.region}' \\
      --stack '${signal.stack}' --resource '${signal.resource}' 2>&1) && return 0
    case $answer in *ValidationError*) break ;; esac
    sleep "$rest"
  done
  say "no deployment waits for a signal: $answer"
  return 1
}

finish() {
  code=$1
  trap - EXIT
  if [ "$code" -eq 0 ]; then
    say "ready"
    signal 0 ready || true
    result=CONTINUE
  else
    say "FAILED with $code at: $step"
    signal "$code" "$step: $(tail -n 4 /var/log/cloud-init-output.log 2>/dev/null | tr -cs '[:print:]' ' ' | tail -c 500)" || true
    result=ABANDON
    # The shipper sends these lines before the instance ends.
    sleep 20
  fi
  retry aws autoscaling complete-lifecycle-action --lifecycle-action-result "$result" --instance-id "$instance_id" \\
    --auto-scaling-group-name '${signal.group}' --lifecycle-hook-name '${signal.hook}' || say "no launch hook waits"
  exit "$code"
}
trap 'finish $?' EXIT

retry() {
  for rest in 5 15 30; do
    "$@" && return 0
    say "again in $rest s: $*"
    sleep "$rest"
  done
  "$@"
}

step='close the stock sshd'
# The early boot has masked it. Administrators use Session Manager; port 22 belongs to the partners' sshd.
systemctl mask --now sshd.service sshd.socket

step='read instance metadata'
token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' http://169.254.169.254/latest/api/token)
instance_id=$(curl -sf -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/instance-id)
say "instance $instance_id release $(rpm -q --qf '%{VERSION}' system-release)"

step='ship logs'
${shipperFiles(settings.logs).map(shellFile).join('\n')}
${renderShipperStart()}
if start_shipper; then
  say "package $(rpm -q ${SHIPPER_PACKAGE})"
else
  say "LOGS DO NOT SHIP"
  if signal 1 'ship logs'; then exit 1; fi
  say "no deployment waits: serving without them"
fi

step='fetch the agent'
retry aws s3 cp --only-show-errors 's3://${rpm.bucket}/${rpm.key}' /var/tmp/s3files-sftp-agent.rpm
echo '${rpm.sha256}  /var/tmp/s3files-sftp-agent.rpm' | sha256sum --check

step='install the agent'
# Versions are those of the AMI's own release: the repositories are locked to it. The package only recommends attr, whose
# getfattr reads why S3 Files could not export a file.
retry dnf install -y --setopt=install_weak_deps=False /var/tmp/s3files-sftp-agent.rpm attr
say "package $(rpm -q s3files-sftp-agent amazon-efs-utils nodejs24 openssh-server | tr '\\n' ' ')"

step='write the configuration'
${shellFile(['/etc/s3files-sftp/config.toml', renderAgentConfig(agent)])}
python3 - ${MOUNT_HELPER_CONFIG} <<'PYTHON'
${renderIniEditor(MOUNT_HELPER_SETTINGS)}PYTHON

step='start the agent'
systemctl enable --now s3files-sftp-agent.service

step='wait for the agent to be healthy'
s3files-sftp status --wait healthy --timeout ${settings.readySeconds} || {
  journalctl --no-pager -n 50 -u s3files-sftp-agent.service || true
  exit 1
}

step='watch over the host'
echo "INSTANCE_ID=$instance_id
ELASTIC_IP=${address.ip}
ALLOCATION_ID=${address.allocationId}
AWS_DEFAULT_REGION=$AWS_DEFAULT_REGION" > ${HOST_ENVIRONMENT}
${hostHealthFiles().map(shellFile).join('\n')}
chmod 0755 ${HEALTH_SCRIPT}
systemctl daemon-reload
systemctl enable --now ${HEALTH_TIMER}

step='take the address over'
retry aws ec2 associate-address --allow-reassociation --instance-id "$instance_id" \\
  --allocation-id '${address.allocationId}'

step=ready
`;
}
