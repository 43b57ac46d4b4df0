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
  let writtenAtMs = -Infinity;
  let doubtedAtMs = -Infinity;

  const forget = () => {
    belief = NO_BELIEF;
    answered = false;
    written = false;
    statfsDueMs = 0;
    writeDueMs = 0;
  };

  const takeIn = (finding: Finding) => {
    belief = observe(belief, finding);
    // Whatever is suspected is looked at again at once.
    if (finding.fault !== 'none') statfsDueMs = 0;
  };

  const takeProbes = () => {
    for (const { kind, ...finding } of prober.take()) {
      const good = finding.fault === 'none';
      if (kind === 'write') written = good;
      // A write that failed must be followed by a statfs that answers before another write is tried.
      answered = good;
      // A statfs alone proves nothing about a mount that has not taken a write yet.
      if (!good || written) takeIn(finding);
    }
  };

  const beginProbe = () => {
    const { path, probe_seconds, probe_deadline_seconds, write_probe_seconds } = config();
    const now = monotonicMs();
    if (prober.isBusy()) return;
    // Each failed write is a process and a few cents a day: a known fault is not asked about more often than a good mount.
    const isKnown = faultOf(belief) !== undefined && now < writtenAtMs + probe_seconds * 1000;
    if (answered && !isKnown && (!written || now >= writeDueMs)) {
      writtenAtMs = now;
      writeDueMs = now + write_probe_seconds * 1000;
      prober.startWrite(path, probe_deadline_seconds);
    } else if (now >= statfsDueMs) {
      statfsDueMs = now + probe_seconds * 1000;
      prober.startStatfs(path, probe_deadline_seconds);
    }
  };

  return {
    notice: (sight) => {
      const seen = sight.kind === 'absent' ? undefined : sight.mountId;
      if (seen !== mountId) {
        // Absence and another file system are faults that one look tells; their count must go on.
        const sameFault = sight.kind !== 'ours' && belief.finding?.fault === faultAtSight(sight)?.fault;
        if (!sameFault) forget();
        prober.take();
        mountId = seen;
      }
    },
    collect: async (sight, probing) => {
      const seen = faultAtSight(sight);
      if (seen !== undefined) {
        prober.take();
        takeIn(seen);
        return;
      }
      takeProbes();
      if (probing === 'until-verdict' && faultOf(belief) !== undefined) return;
      beginProbe();
      await prober.wait(PATIENCE_MS);
      takeProbes();
      // A fresh mount is proven in one go: the write follows its first statfs.
      if (answered && !written) {
        beginProbe();
        await prober.wait(PATIENCE_MS);
        takeProbes();
      }
    },
    belief: () => belief,
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
