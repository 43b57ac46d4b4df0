import type { Edges } from '../os/edges.ts';
import { isTemporaryName } from './file-name.ts';
import type { Outcome } from './outcome.ts';
import { STABLE_MS } from './witness.ts';
import type { WitnessWatch } from './witness-watch.ts';

/** What is known of the log itself, by a login of the agent's own. */
export interface LogProof {
  /** Whether the lines of sessions arrive; `unproven` while no login could show it. */
  state(): 'unproven' | 'heard' | 'silent';
  /** Asks for another login: something arrived without a line. */
  suspect(): void;
  /** When the last login that showed anything began, by the clock that never steps. */
  concludedMs(): number;
}

export interface Moment {
  /** In ms since 1970. */
  readonly at: number;
  /** By the clock that never steps. */
  readonly monotonicMs: number;
}

/** What the log has told so far. */
export interface LogSoFar {
  isOpen(path: string): boolean;
  /** Whether every line that was in the journal at a moment has been read. */
  hasRead(moment: Moment): boolean;
}

/** A file that arrived without a word in the log. */
interface Arrival {
  readonly path: string;
  readonly size: number;
  readonly at: number;
  /** By the clock that never steps. */
  readonly sinceMs: number;
}

/** Past it nobody waits for the login any more: what arrived is told as unknown. */
const PATIENCE_MS = 120_000;
const MOST_HELD = 10_000;

/**
 * Decides what a file is that arrived without a word in the log. Where a login shows that the log is silent, it is an
 * upload, as far as anybody can tell; where the log is heard, somebody else put it there, and it is told as unknown.
 * Nothing is decided before the log was read past the arrival: a reader that lags would count it once more.
 */
export function createUnknownArrivals(proof: LogProof, edges: Pick<Edges, 'monotonicMs' | 'log'>) {
  let held: Arrival[] = [];
  let number = 0;

  const tell = ({ path, size, at }: Arrival, why: string) =>
    edges.log.warn(
      { path, size, at: new Date(at).toISOString(), 'activity-type': 'UNKNOWN', why },
      'a file arrived that the log does not know',
    );

  const count = ({ path, size, at }: Arrival, out: Outcome[]) => {
    const [user = ''] = path.split('/');
    const inside = path.slice(user.length);
    if (inside === '' || isTemporaryName(inside)) return;
    number += 1;
    const closedAt = at - STABLE_MS;
    out.push({
      kind: 'whole',
      upload: {
        id: `witness-${at}-${number}`,
        session: '',
        user,
        address: null,
        path: inside,
        uploadedAs: null,
        bytes: size,
        size,
        cut: false,
        openedAt: null,
        closedAt,
        renamedAt: null,
        approximate: true,
      },
    });
  };

  /** @param out receives the uploads that only the witness saw */
  return (witness: WitnessWatch, { isOpen, hasRead }: LogSoFar, out: Outcome[]): void => {
    const now = edges.monotonicMs();
    for (const each of witness.takeUnknown(isOpen)) held.push({ ...each, sinceMs: now });
    if (held.length === 0) return;
    for (const lost of held.splice(0, held.length - MOST_HELD)) tell(lost, 'too many to wait for the log');
    if (proof.state() !== 'silent') proof.suspect();
    const waiting: Arrival[] = [];
    for (const arrival of held) {
      // Its line came late.
      if (witness.isKnown(arrival.path)) continue;
      if (!hasRead({ at: arrival.at, monotonicMs: arrival.sinceMs })) waiting.push(arrival);
      else if (isOpen(arrival.path)) continue;
      else if (proof.state() === 'silent') count(arrival, out);
      else if (proof.state() === 'heard' && proof.concludedMs() >= arrival.sinceMs)
        tell(arrival, 'the log is heard: nobody uploaded it by SFTP, or its line is lost');
      else if (now - arrival.sinceMs > PATIENCE_MS) tell(arrival, 'whether the log is heard is unknown');
      else waiting.push(arrival);
    }
    held = waiting;
  };
}
