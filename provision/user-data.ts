import { type AgentSettings, renderAgentConfig } from './agent-config.ts';
import { HEALTH_TIMER, hostHealthFiles } from './host-health.ts';
import {
  type LogGroups,
  renderShipperConfig,
  SHIPPER_LEAST_VERSION,
  SHIPPER_MEMORY,
  SHIPPER_PACKAGE,
} from './log-shipper.ts';
import { MOUNT_HELPER_CONFIG, MOUNT_HELPER_SETTINGS, renderIniEditor } from './mount-helper.ts';

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
  readonly elasticIp: string;
  /** Longest wait for `s3files-sftp status --wait healthy`, in seconds. */
  readonly readySeconds: number;
}

const SHIPPER_DIRECTORY = '/opt/aws/amazon-cloudwatch-agent';
const SHIPPER_CONFIG = '/etc/s3files-sftp/log-shipper.json';

/**
 * The host's boot script, for bash; its first line is the caller's. Values may be CloudFormation tokens. The address moves here only after the agent says
 * that the host serves, so partners never reach one that doesn't; whatever fails before that ends the instance.
 * Logs that don't ship fail the deployment too, but a host that replaces a dead one serves without them.
 */
export function renderUserData(settings: BootSettings): string {
  const { agent, rpm, signal } = settings;
  return `set -Eeuo pipefail
export AWS_DEFAULT_REGION='${agent.region}' AWS_PAGER='' LC_ALL=C.UTF-8
serving=no
shipping=yes
step=start

say() { echo "s3files-sftp boot: $*"; }

finish() {
  code=$1
  trap - EXIT
  if [ "$code" -eq 0 ] && [ "$shipping" = no ]; then code=1; fi
  if [ "$code" -eq 0 ]; then say "ready"; else say "FAILED with $code at: $step"; fi
  /opt/aws/bin/cfn-signal --exit-code "$code" --reason "boot: $step" --region '${agent.region}' \\
    --stack '${signal.stack}' --resource '${signal.resource}' || say "nobody waits for a signal"
  if [ "$serving" = yes ]; then result=CONTINUE; else result=ABANDON; sleep 20; fi
  # The rest above lets the shipper send these lines before the instance ends.
  aws autoscaling complete-lifecycle-action --lifecycle-action-result "$result" --instance-id "$instance_id" \\
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

step='read instance metadata'
instance_id=unknown
token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' http://169.254.169.254/latest/api/token)
instance_id=$(curl -sf -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/instance-id)
release=$(rpm -q --qf '%{VERSION}' system-release)
say "instance $instance_id release $release"

step='close the stock sshd'
# Administrators use Session Manager; port 22 belongs to the partners' sshd.
systemctl mask --now sshd.service sshd.socket

step='fetch the agent'
retry aws s3 cp --only-show-errors 's3://${rpm.bucket}/${rpm.key}' /var/tmp/s3files-sftp-agent.rpm
echo '${rpm.sha256}  /var/tmp/s3files-sftp-agent.rpm' | sha256sum --check --status

step='install the agent'
# Versions are those of the AMI's own release: the repositories are locked to it.
retry dnf install -y --setopt=install_weak_deps=False /var/tmp/s3files-sftp-agent.rpm
say "package $(rpm -q s3files-sftp-agent amazon-efs-utils nodejs24 openssh-server | tr '\\n' ' ')"

step='write the configuration'
${file('/etc/s3files-sftp/config.toml', renderAgentConfig(agent))}
echo "INSTANCE_ID=$instance_id
AWS_DEFAULT_REGION=$AWS_DEFAULT_REGION" > /etc/s3files-sftp/host.env
python3 - ${MOUNT_HELPER_CONFIG} <<'PYTHON'
${renderIniEditor(MOUNT_HELPER_SETTINGS)}PYTHON

step='ship logs'
${file(SHIPPER_CONFIG, renderShipperConfig(settings.logs))}
${file(
  `/etc/systemd/system/${SHIPPER_PACKAGE}.service.d/memory.conf`,
  `[Service]\nMemoryHigh=${SHIPPER_MEMORY.high}\nMemoryMax=${SHIPPER_MEMORY.max}\n`,
)}
start_shipper() {
  retry dnf install -y '${SHIPPER_PACKAGE} >= ${SHIPPER_LEAST_VERSION}' &&
    systemctl daemon-reload &&
    ${SHIPPER_DIRECTORY}/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c file:${SHIPPER_CONFIG} &&
    sleep 5 &&
    systemctl is-active ${SHIPPER_PACKAGE}.service
}
if start_shipper; then
  say "package $(rpm -q ${SHIPPER_PACKAGE})"
else
  shipping=no
  say "LOGS DO NOT SHIP: the service starts without them"
fi

step='start the agent'
systemctl enable --now s3files-sftp-agent.service

step='wait for the agent to be healthy'
s3files-sftp status --wait healthy --timeout ${settings.readySeconds} || {
  journalctl --no-pager -n 50 -u s3files-sftp-agent.service || true
  exit 1
}

step='take the address over'
retry aws ec2 associate-address --allow-reassociation --instance-id "$instance_id" \\
  --allocation-id '${settings.elasticIp}'
serving=yes

step='watch over the agent'
${hostHealthFiles()
  .map(([path, content]) => file(path, content))
  .join('\n')}
chmod 0755 /usr/local/sbin/s3files-sftp-host-health
systemctl daemon-reload
systemctl enable --now ${HEALTH_TIMER}

step=ready
if [ "$shipping" = no ]; then step='ship logs'; fi
`;
}

/** Shell that writes a file with exactly this content: nothing in it is expanded. */
function file(path: string, content: string): string {
  return `install -d "$(dirname ${path})"
cat > ${path} <<'CONTENT'
${content.replace(/\n$/, '')}
CONTENT`;
}
