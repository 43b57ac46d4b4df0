/** Where the mount helper keeps a file for each of its mounts (amazon-efs-utils, STATE_FILE_DIR). */
export const STATE_DIRECTORY = '/var/run/efs';

/** Where the mount helper and its tunnels write. */
export const LOG_DIRECTORY = '/var/log/amazon/efs';

/** What the agent takes from a state file of the helper's. */
export interface MountState {
  readonly fileSystemId: string;
  readonly port: number;
  /** The tunnel's process; it may be dead, and its number another process's by now. */
  readonly proxyPid: number | undefined;
  /** When the tunnel's certificate was made, in ms since 1970; undefined where it has none, or none that can be read. */
  readonly certificateMs: number | undefined;
}

/** `fs-0123456789abcdef0.home.sftp.20123`; names with `~`, `+` or `stunnel-config.` are something else. */
const NAME = /^(fs-[0-9a-f]{8,40})\.(.+)\.(\d{1,5})$/;

/** The name's part for a mount point: `/home/sftp` is `home.sftp`. */
function dotted(path: string): string {
  return path.split('/').filter(Boolean).join('.');
}

/**
 * The state file for the mount at `path` through the tunnel on `port`, among the names of a directory.
 * @returns undefined when there is none, or more than one, which proves nothing
 */
export function stateFileName(names: readonly string[], path: string, port: number): string | undefined {
  const matching = names.filter((name) => {
    const match = NAME.exec(name);
    return match?.[2] === dotted(path) && Number(match[3]) === port;
  });
  return matching.length === 1 ? matching[0] : undefined;
}

/**
 * Reads a state file. Its name and its content must tell the same story.
 * @returns undefined where they don't, or where it is no JSON object
 */
export function parseStateFile(name: string, text: string, path: string): MountState | undefined {
  const match = NAME.exec(name);
  const [, fileSystemId = '', , port = ''] = match ?? [];
  if (match === null) return undefined;
  let state: unknown;
  try {
    state = JSON.parse(text);
  } catch {
    // The helper may be writing it right now.
    return undefined;
  }
  if (typeof state !== 'object' || state === null) return undefined;
  const field = (key: string): unknown => (Object.hasOwn(state, key) ? Reflect.get(state, key) : undefined);
  const namedId = field('fsId');
  if (namedId !== undefined && namedId !== fileSystemId) return undefined;
  const namedPath = field('mountpoint');
  if (namedPath !== undefined && namedPath !== path) return undefined;
  const pid = field('pid');
  const isPid = typeof pid === 'number' && Number.isInteger(pid) && pid > 1 && pid < 2 ** 22;
  const certificateMs = certificateTime(field('certificateCreationTime'));
  return { fileSystemId, port: Number(port), proxyPid: isPid ? pid : undefined, certificateMs };
}

/** `%y%m%d%H%M%SZ`, in UTC. */
function certificateTime(text: unknown): number | undefined {
  const match = typeof text === 'string' ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text) : null;
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1);
  const at = Date.parse(`20${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(at) ? undefined : at;
}

/**
 * The port of a tunnel for the mount at `path`, from the name of its log: `fs-….home.sftp.20123.efs-proxy.log`, or a
 * rotated one with `.1` after it.
 * @returns undefined for any other name
 */
export function tunnelLogPort(name: string, path: string): number | undefined {
  const [, stem = ''] = /^(.+)\.efs-proxy\.log(?:\.\d+)?$/.exec(name) ?? [];
  return statePort(stem, path);
}

/** The port of a mount at `path`, from the name of its state file; undefined for any other name. */
export function statePort(name: string, path: string): number | undefined {
  const match = NAME.exec(name);
  return match?.[2] === dotted(path) ? Number(match[3]) : undefined;
}
