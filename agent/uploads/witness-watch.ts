import type { Edges } from '../os/edges.ts';
import type { Argv } from '../os/exec.ts';
import type { Follower } from '../os/follow.ts';
import { EXIT_REMOUNTED, EXIT_TOO_LARGE, HEARTBEAT_MS, type WitnessReport } from './witness.ts';

export interface WitnessStatus {
  readonly state: 'off' | 'starting' | 'watching' | 'too large' | 'failed';
  /** Files that arrived without a word in the log, or too many at once to compare, since the agent started. */
  readonly unknownArrivals: number;
  readonly problem: string | null;
}

export interface WitnessWatch {
  /** The log told of this file: by an upload's opening or end, or a rename. Path: `<user>/<path in the chroot>`. */
  noteKnown(path: string): void;
  /** Whether the log told of this file not long ago, or of a directory that it is in. */
  isKnown(path: string): boolean;
  /** @returns arrivals that the log has not told of by now; each once */
  takeUnknown(isOpen: (path: string) => boolean): readonly { path: string; size: number; at: number }[];
  status(): WitnessStatus;
  stop(): void;
}

/** The log's line may come after the file's last write, and journald may stall for a moment. */
const GRACE_MS = 15_000;
/** An arrival is told some seconds after the file's last change. */
const KNOWN_FOR_MS = 120_000;
const MOST_REMEMBERED = 20_000;
const HEARTBEAT_MISSED_MS = 5 * HEARTBEAT_MS;
const RESTART_MS = 5_000;
const TOO_LARGE_RESTART_MS = 3_600_000;

/**
 * Keeps the witness running and compares what it sees with what the log told. It counts nothing: where the two
 * disagree, the reader is told, since an arrival without a line means that the log is not whole.
 */
export function watchWitness(
  argv: Argv,
  edges: Pick<Edges, 'follow' | 'monotonicMs' | 'log' | 'signal'>,
): WitnessWatch {
  const known = new Map<string, number>();
  const arrivals = new Map<string, { size: number; at: number; since: number }>();
  let child: Follower | undefined;
  /** It was told to end, and may not be able to: on a mount that hangs even SIGKILL waits. */
  let ending = false;
  let state: WitnessStatus['state'] = 'starting';
  let problem: string | null = null;
  let unknownArrivals = 0;
  /** Arrivals that were dropped before they could be compared with the log, since it was last told. */
  let uncompared = 0;
  let heardAt = edges.monotonicMs();
  let restartAt = 0;
  let stopped = false;

  const onLine = (text: string) => {
    if (ending) return;
    heardAt = edges.monotonicMs();
    const report = reportOf(text);
    if (report === undefined) return;
    if (report.kind === 'alive') state = report.ready ? 'watching' : 'starting';
    else if (report.kind === 'failed') problem = report.problem;
    else {
      // Delete first, so that the map's order is the order of arrival.
      arrivals.delete(report.path);
      if (isKnown(report.path, heardAt)) return;
      arrivals.set(report.path, { size: report.size, at: report.at, since: heardAt });
      uncompared += shorten(arrivals);
    }
  };

  const start = () => {
    heardAt = edges.monotonicMs();
    state = 'starting';
    ending = false;
    const started = edges.follow(argv, { onLine });
    child = started;
    void started.ended.then((how) => {
      if (stopped) return;
      child = undefined;
      if (ending) {
        restartAt = edges.monotonicMs() + RESTART_MS;
        return;
      }
      if (how === `exit ${EXIT_REMOUNTED}`) {
        // Not a fault: it began before the mount was there, or the mount is another one now.
        state = 'starting';
        restartAt = edges.monotonicMs();
        return;
      }
      const tooLarge = how === `exit ${EXIT_TOO_LARGE}`;
      state = tooLarge ? 'too large' : 'failed';
      problem = tooLarge ? 'the partners’ directories hold too many files to watch' : `it ended: ${how}`;
      restartAt = edges.monotonicMs() + (tooLarge ? TOO_LARGE_RESTART_MS : RESTART_MS);
      edges.log.warn({ problem }, 'the witness of the partners’ directories is off for now');
    });
  };
  start();

  /** By its own name, or by a directory's that was renamed with all that is in it. */
  const isKnown = (path: string, now: number) => {
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
      if (now - (known.get(path.slice(0, end)) ?? Number.NEGATIVE_INFINITY) <= KNOWN_FOR_MS) return true;
    }
    return false;
  };

  const guard = () => {
    const now = edges.monotonicMs();
    if (child === undefined) {
      if (now >= restartAt) start();
    } else if (!ending && now - heardAt > HEARTBEAT_MISSED_MS) {
      problem = 'it gave no sign of life, perhaps because the mount hangs';
      state = 'failed';
      // The next one starts when this one is gone: on a hung mount they would pile up.
      ending = true;
      child.stop();
    }
  };

  return {
    noteKnown: (path) => {
      arrivals.delete(path);
      known.delete(path);
      known.set(path, edges.monotonicMs());
      shorten(known);
    },
    isKnown: (path) => isKnown(path, edges.monotonicMs()),
    takeUnknown: (isOpen) => {
      if (!stopped) guard();
      if (uncompared > 0)
        edges.log.warn(
          { files: uncompared, 'activity-type': 'UNKNOWN' },
          'more files arrived at once than can be compared with the log; whether it knows these is unknown',
        );
      unknownArrivals += uncompared;
      uncompared = 0;
      const now = edges.monotonicMs();
      const unknown: { path: string; size: number; at: number }[] = [];
      for (const [path, { size, at, since }] of arrivals) {
        if (now - since < GRACE_MS) break;
        arrivals.delete(path);
        if (!isKnown(path, now) && !isOpen(path)) unknown.push({ path, size, at });
      }
      unknownArrivals += unknown.length;
      return unknown;
    },
    status: () => ({ state, unknownArrivals, problem: state === 'watching' ? null : problem }),
    stop: () => {
      stopped = true;
      child?.stop();
    },
  };
}

/** Drops the oldest entries of a map that keeps its order of insertion. @returns how many */
function shorten(map: Map<string, unknown>): number {
  let dropped = 0;
  for (const key of map.keys()) {
    if (map.size <= MOST_REMEMBERED) break;
    map.delete(key);
    dropped += 1;
  }
  return dropped;
}

function reportOf(text: string): WitnessReport | undefined {
  try {
    const report: unknown = JSON.parse(text);
    return typeof report === 'object' && report !== null && 'kind' in report
      ? (report as WitnessReport)
      : undefined;
  } catch {
    return undefined;
  }
}
