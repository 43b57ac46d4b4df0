import { statePort, tunnelLogPort } from './state-file.ts';

/** A file or directory, and when it was last written, in ms since 1970. */
export interface Entry {
  readonly name: string;
  readonly mtimeMs: number;
}

export interface HelperFiles {
  /** The mount point; what belongs to others is left alone. */
  readonly path: string;
  readonly now: number;
  /** No attempt is under way: the one that was has just been killed. Otherwise only an old one is surely over. */
  readonly noneUnderWay: boolean;
  /** Ports that any mount of the host goes through. */
  readonly mountedPorts: ReadonlySet<number>;
  /** What is in the helper's state directory, and in its log directory. */
  readonly state: readonly Entry[];
  readonly logs: readonly Entry[];
}

export interface LeftBehind {
  /** State files of attempts that were cut off (`~NAME`); their tunnels are to be ended. */
  readonly attempts: readonly string[];
  /** All that such attempts left in the state directory. */
  readonly state: readonly string[];
  /** Logs of tunnels that are gone. */
  readonly logs: readonly string[];
}

/** Longer than any attempt to mount may take, so that none under way is touched. */
const SURELY_OVER_MS = 10 * 60_000;
/** The logs of the last ports tell why the mount was lost. */
const LOGS_KEPT = 5;

/**
 * What the helper left behind for good: each mount has a port and a log of its own, so a thousand remounts leave a
 * thousand logs, and its watchdog does not look at attempts that were killed. It takes no port that a file in its state
 * directory ends with, and has a thousand, so these would end all mounting. A port that is mounted, or that the
 * watchdog still has a state file of, is never touched.
 */
export function leftBehind({ path, now, noneUnderWay, mountedPorts, state, logs }: HelperFiles): LeftBehind {
  const isOver = ({ mtimeMs }: Entry) => now - mtimeMs > SURELY_OVER_MS;
  const attempts = state.filter((entry) => {
    const port = entry.name.startsWith('~') ? statePort(entry.name.slice(1), path) : undefined;
    return port !== undefined && !mountedPorts.has(port) && (noneUnderWay || isOver(entry));
  });
  const names = attempts.map(({ name }) => name);
  const present = new Set(state.map(({ name }) => name));
  const inUse = new Set([...present].flatMap((name) => statePort(name.replace(/^~/, ''), path) ?? []));
  const old = logs
    .filter((entry) => {
      const port = tunnelLogPort(entry.name, path);
      return port !== undefined && !mountedPorts.has(port) && !inUse.has(port) && isOver(entry);
    })
    .sort((one, other) => other.mtimeMs - one.mtimeMs);
  return {
    attempts: names,
    state: names
      .flatMap((name) => [name, `${name.slice(1)}+`, `stunnel-config.${name.slice(1)}`])
      .filter((name) => present.has(name)),
    logs: old.slice(LOGS_KEPT).map(({ name }) => name),
  };
}
