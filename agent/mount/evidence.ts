import type { Config } from '../config.ts';
import { type Belief, type Finding, faultOf, NO_BELIEF, observe } from './health.ts';
import type { Sight } from './identity.ts';
import type { Prober } from './probe.ts';

/** A probe that answers at all does so in milliseconds; a tick waits this long, and the next one asks again. */
export const PATIENCE_MS = 250;

/** Partners can make their own uploads fail as often as they like. */
const DOUBT_EVERY_MS = 60_000;

/** Gathers what is seen and what probes answer into a belief about the mount that is visible now. */
export interface EvidenceCollector {
  /** Must be told of each look: another mount at the same path makes earlier findings worthless. */
  notice(sight: Sight): void;
  /**
   * Takes in what this look and the probes since the last one say, and begins the probe that is due.
   * @param probing `until-verdict`: none once a fault is certain, since it would hold the mount that is taken away
   */
  collect(sight: Sight, probing: 'always' | 'until-verdict'): Promise<void>;
  belief(): Belief;
  /** Why the last probe never came to the mount: nothing is known by it, and the mount is not blamed. */
  problem(): string | undefined;
  /** Whether a probe of the visible mount is under way, or stuck in it. */
  isProbing(): boolean;
  /**
   * Whether the mount answers again though it was found at fault, and has not been asked to take a write since then:
   * what is destroyed would be a mount that may be good. @param sinceMs by the steady clock
   */
  isContested(sinceMs: number): boolean;
  /** Somebody was told that a write failed: the next look tries one, at most once a minute, since each is billed. */
  doubt(): void;
  /** Everything is to be proven anew. */
  forget(): void;
}

export function createEvidence(
  config: () => Config['mount'],
  prober: Prober,
  monotonicMs: () => number,
): EvidenceCollector {
  let belief = NO_BELIEF;
  let mountId: number | undefined;
  /** The last statfs on this mount answered. */
  let answered = false;
  /** A write on this mount came through, and nothing spoke against it since. */
  let written = false;
  let statfsDueMs = 0;
  let writeDueMs = 0;
  /** When the last write was begun, and when one last had an outcome that speaks of the mount. */
  let writtenAtMs = -Infinity;
  let writeFoundAtMs = -Infinity;
  /** Why a probe was none. */
  const problems = new Map<'statfs' | 'write', string>();
  let doubtedAtMs = -Infinity;

  const forget = () => {
    belief = NO_BELIEF;
    answered = false;
    written = false;
    statfsDueMs = 0;
    writeDueMs = 0;
    problems.clear();
  };

  const takeIn = (finding: Finding) => {
    belief = observe(belief, finding);
    // Whatever is suspected is looked at again at once.
    if (finding.fault !== 'none') statfsDueMs = 0;
  };

  const takeProbes = () => {
    for (const { kind, ...outcome } of prober.take(mountId)) {
      if ('problem' in outcome) {
        problems.set(kind, outcome.problem);
        // No statfs runs beside a write: one that did not come to the mount must not be followed by the next at once.
        if (kind === 'write') answered = false;
        continue;
      }
      problems.delete(kind);
      const good = outcome.fault === 'none';
      if (kind === 'write') {
        written = good;
        writeFoundAtMs = monotonicMs();
      }
      // A write that failed must be followed by a statfs that answers before another write is tried.
      answered = good;
      // A statfs alone proves nothing about a mount that has not taken a write yet.
      if (!good || written) takeIn(outcome);
    }
  };

  const beginProbe = () => {
    if (mountId === undefined || prober.isBusy(mountId)) return;
    const { path, probe_seconds, probe_deadline_seconds, write_probe_seconds } = config();
    const now = monotonicMs();
    // Each failed write is a process and a few cents a day: a known fault is not asked about more often than a good mount.
    const isKnown = faultOf(belief) !== undefined || problems.has('write');
    const mayWrite = !isKnown || now >= writtenAtMs + probe_seconds * 1000;
    const isWriteDue = !written || now >= writeDueMs || problems.has('write');
    if (answered && mayWrite && isWriteDue) {
      writtenAtMs = now;
      writeDueMs = now + write_probe_seconds * 1000;
      prober.startWrite(mountId, path, probe_deadline_seconds);
    } else if (now >= statfsDueMs) {
      statfsDueMs = now + probe_seconds * 1000;
      prober.startStatfs(mountId, path, probe_deadline_seconds);
    }
  };

  /** What a probe that is under way says within a moment. */
  const hear = async () => {
    if (mountId !== undefined) await prober.wait(mountId, PATIENCE_MS);
    takeProbes();
  };

  return {
    notice: (sight) => {
      const seen = sight.kind === 'absent' ? undefined : sight.mountId;
      if (seen !== mountId) {
        // Absence and another file system are faults that one look tells; their count must go on.
        const sameFault = sight.kind !== 'ours' && belief.finding?.fault === faultAtSight(sight)?.fault;
        if (!sameFault) forget();
        mountId = seen;
      }
    },
    collect: async (sight, probing) => {
      const seen = faultAtSight(sight);
      if (seen !== undefined) {
        prober.take(mountId);
        takeIn(seen);
        return;
      }
      takeProbes();
      if (probing === 'until-verdict' && faultOf(belief) !== undefined) return;
      beginProbe();
      await hear();
      // A fresh mount is proven in one go: the write follows its first statfs.
      if (answered && !written) {
        beginProbe();
        await hear();
      }
    },
    belief: () => belief,
    problem: () => problems.get('write') ?? problems.get('statfs'),
    isProbing: () => mountId !== undefined && prober.isBusy(mountId),
    isContested: (sinceMs) => answered && faultOf(belief) !== undefined && writeFoundAtMs < sinceMs,
    doubt: () => {
      const now = monotonicMs();
      if (now < doubtedAtMs + DOUBT_EVERY_MS) return;
      doubtedAtMs = now;
      writeDueMs = 0;
    },
    forget,
  };
}

/** What a look alone tells, without a probe. */
function faultAtSight(sight: Sight): Finding | undefined {
  switch (sight.kind) {
    case 'absent':
      return { fault: 'absent', detail: 'nothing is mounted there' };
    case 'foreign':
      return { fault: 'wrong-file-system', detail: sight.detail };
    case 'ours':
      return sight.readOnly ? { fault: 'read-only', detail: 'it is mounted read-only' } : undefined;
  }
}
