export interface AgentSettings {
  readonly region: string;
  readonly usersPrefix: string;
  readonly directories: readonly string[];
  readonly fileSystemId: string;
  readonly hostKeysSecret: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly metricNamespace: string;
}

/** Partners' sshd takes the standard port: the host's own sshd is masked, administrators use Session Manager. */
export const PARTNER_PORT = 22;

/**
 * Renders /etc/s3files-sftp/config.toml (its schema: agent/config.ts). Values may be CloudFormation tokens, whose
 * texts hold nothing that TOML would have to escape.
 */
export function renderAgentConfig(settings: AgentSettings): string {
  return `# Written by the stack: change its props, not this file, since the host is replaced.
[aws]
region = ${toml(settings.region)}

[users]
prefix = ${toml(settings.usersPrefix)}
directories = [${settings.directories.map(toml).join(', ')}]

[mount]
file_system_id = ${toml(settings.fileSystemId)}

[sshd]
port = ${PARTNER_PORT}
host_keys_secret = ${toml(settings.hostKeysSecret)}

[uploads]
bucket = ${toml(settings.bucket)}
prefix = ${toml(settings.prefix)}

[metrics]
namespace = ${toml(settings.metricNamespace)}
`;
}

/** JSON's string escapes are a subset of those of TOML's basic strings. */
const toml = (text: string): string => JSON.stringify(text);
