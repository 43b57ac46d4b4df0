import { parse as parseToml, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { type Config, configSchema, type DeepReadonly } from './config-schema.ts';
import { OperationError } from './operation-error.ts';

export type { Config } from './config-schema.ts';
export { METRIC_NAMESPACE } from './config-schema.ts';

/** Where the RPM puts the configuration. */
export const CONFIG_PATH = '/etc/s3files-sftp/config.toml';

/** sysexits.h EX_CONFIG: systemd is told not to restart after it. */
export const EXIT_CONFIG = 78;

/** One fault of a configuration: which key, what it holds, and what is wrong with it. */
export interface ConfigFault {
  readonly key: string;
  readonly fault: string;
}

/** Every fault that one reading found, so that a file is mended in one go. */
export class ConfigError extends OperationError {
  readonly faults: readonly ConfigFault[];
  constructor(path: string, faults: readonly ConfigFault[]) {
    const text = faults.map(({ key, fault }) => (key === '' ? fault : `${key} ${fault}`)).join('; ');
    super(
      {
        op: 'read configuration',
        target: path,
        hint: 'see s3files-sftp(8), then: s3files-sftp config check',
      },
      text,
    );
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/**
 * Parses and validates a configuration.
 * @param toml the file's text
 * @param path named in errors
 * @returns it with every default filled in, deeply frozen
 * @throws ConfigError
 */
export function parseConfig(toml: string, path: string = CONFIG_PATH): Config {
  let raw: unknown;
  try {
    raw = parseToml(toml);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [what] = cause.message.split('\n');
    throw new ConfigError(path, [
      { key: `line ${cause.line}, column ${cause.column}:`, fault: what ?? 'not TOML' },
    ]);
  }
  const result = v.safeParse(configSchema, raw);
  if (!result.success) throw new ConfigError(path, result.issues.map(faultOf));
  const faults = impossibilities(result.output);
  if (faults.length > 0) throw new ConfigError(path, faults);
  return deepFreeze(result.output);
}

/** What each value allows alone but not together. */
function impossibilities({ users, mount, uploads, metrics }: Config): ConfigFault[] {
  const faults: ConfigFault[] = [];
  if (users.uid_max < users.uid_min) {
    faults.push({
      key: 'users.uid_max',
      fault: `(${users.uid_max}) must not be below users.uid_min (${users.uid_min})`,
    });
  }
  if (new Set(users.directories).size !== users.directories.length) {
    faults.push({ key: 'users.directories', fault: 'must not name a directory twice' });
  }
  if (users.directories.includes('dev')) {
    faults.push({ key: 'users.directories', fault: 'must not name "dev": sshd’s log socket lives there' });
  }
  if (new Set(metrics.users).size !== metrics.users.length) {
    faults.push({ key: 'metrics.users', fault: 'must not name a user twice' });
  }
  if (uploads.delivery_deadline_seconds <= uploads.export_delay_seconds) {
    const fault = `(${uploads.delivery_deadline_seconds}) must be more than uploads.export_delay_seconds (${uploads.export_delay_seconds})`;
    faults.push({ key: 'uploads.delivery_deadline_seconds', fault });
  }
  if (/(^|\/)\.\.?(\/|$)/.test(mount.path) || SYSTEM_PATHS.test(mount.path)) {
    faults.push({
      key: 'mount.path',
      fault: `("${mount.path}") must be a directory of its own, such as "/home/sftp"`,
    });
  }
  const forbidden = mount.options.find((option) => /^(soft|tlsport|nosymfollow|ro)(=|$)/.test(option));
  if (forbidden !== undefined) {
    const fault = `must not hold "${forbidden}": soft risks silent corruption, a fixed port blocks remounts, and partners must be able to write`;
    faults.push({ key: 'mount.options', fault });
  }
  return faults;
}

/** Mounting over one of these would take the host down. */
const SYSTEM_PATHS =
  /^\/(bin|boot|dev|etc|home|lib|lib64|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)(\/(lib|log|run|tmp|bin|sbin|lib64|local|s3files-sftp))?$/;

type Issue = v.InferIssue<typeof configSchema>;

function faultOf(issue: Issue): ConfigFault {
  const key = v.getDotPath(issue) ?? '';
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    return { key, fault: `is not a key of this configuration${suggestion(issue, key)}` };
  }
  if (issue.received === 'undefined') return { key, fault: 'is missing' };
  return { key, fault: `(${issue.received}) ${issue.message}` };
}

/** Names the keys that the section has, since the likeliest cause is a misspelling. */
function suggestion(issue: Issue, key: string): string {
  const section = key.split('.').slice(0, -1);
  let at: unknown = configSchema;
  for (const name of section) {
    const entries: Record<string, unknown> | undefined = entriesOf(at);
    at = entries?.[name];
  }
  const known = Object.keys(entriesOf(at) ?? {});
  return known.length > 0 && issue.path ? `; the keys here are ${known.join(', ')}` : '';
}

function entriesOf(at: unknown): Record<string, unknown> | undefined {
  if (typeof at !== 'object' || at === null) return undefined;
  if ('entries' in at) return at.entries as Record<string, unknown>;
  return 'wrapped' in at ? entriesOf(at.wrapped) : undefined;
}

function deepFreeze<T extends object>(value: T): DeepReadonly<T> {
  for (const child of Object.values(value))
    if (typeof child === 'object' && child !== null) deepFreeze(child);
  return Object.freeze(value) as DeepReadonly<T>;
}
