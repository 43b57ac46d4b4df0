/** One setting of an ini file. */
export interface IniSetting {
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

/** amazon-efs-utils' settings for `-t s3files`, read at each mount. */
export const MOUNT_HELPER_CONFIG = '/etc/amazon/efs/s3files-utils.conf';

/** Of efs-proxy, in MiB. Its defaults, 1,024 and 256, don't fit beside sshd and the agent in 2 GiB. */
const READ_AHEAD_MIB = 128;
const IN_FLIGHT_MIB = 64;

/** Names and defaults: dist/s3files-utils.conf of aws/efs-utils 3.1.0 and later; earlier helpers ignore them. */
export const MOUNT_HELPER_SETTINGS: readonly IniSetting[] = [
  { section: 'proxy', key: 'readahead_cache_max_memory_size_mb', value: String(READ_AHEAD_MIB) },
  { section: 'proxy', key: 'read_bypass_max_in_flight_s3_bytes', value: String(IN_FLIGHT_MIB * 1024 * 1024) },
  // Three custom metrics at $0.30 a month, and a right to publish in another namespace; the agent probes itself.
  { section: 'proxy', key: 'metrics_enabled', value: 'false' },
  // An unreachable CloudWatch Logs endpoint would stall every mount; the shipper carries the helper's log.
  { section: 'cloudwatch-log', key: 'enabled', value: 'false' },
];

/**
 * A Python program that makes these settings in the file named by its first argument, with the parser that the
 * helper itself reads the file with; it fails where the file is missing.
 */
export function renderIniEditor(settings: readonly IniSetting[]): string {
  const rows = settings.map(({ section, key, value }) => `    ("${section}", "${key}", "${value}"),`);
  return `import configparser
import sys

SETTINGS = [
${rows.join('\n')}
]
config = configparser.RawConfigParser()
with open(sys.argv[1]) as file:
    config.read_file(file)
for section, key, value in SETTINGS:
    if not config.has_section(section):
        config.add_section(section)
    config.set(section, key, value)
with open(sys.argv[1], "w") as file:
    config.write(file)
`;
}
