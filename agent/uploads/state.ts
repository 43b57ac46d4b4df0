import * as v from 'valibot';
import { messageOf } from '../operation-error.ts';

/** What the feed counts; each is a metric of the catalogue. Values: files, bytes, files, seconds. */
export type UploadMetric = 'UploadCount' | 'UploadBytes' | 'PartialUploads' | 'DeliveryLagSeconds';

export interface UploadCountUpdate {
  readonly name: UploadMetric;
  readonly value: number;
  /** When it happened, in ms since 1970, by the journal's clock. */
  readonly at: number;
  /** Whose upload it was, where the log tells. */
  readonly user: string | null;
}

const fieldValue = v.union([v.string(), v.number(), v.boolean(), v.null()]);
const logLine = v.object({
  level: v.picklist(['debug', 'info', 'warn', 'error']),
  message: v.string(),
  /** Always holds `event-id`, the same for the same event however often the journal is read again. */
  fields: v.record(v.string(), fieldValue),
});
/** One line of the agent's own log, fields named after Transfer Family's where it has the same thing. */
export type LogLine = Readonly<v.InferOutput<typeof logLine>>;

const handle = v.object({
  /** Identity of the line that opened it. */
  id: v.string(),
  /** The name as sshd renders it, still encoded: the closing line repeats it letter by letter. */
  name: v.string(),
  writes: v.boolean(),
  /** Opened empty: what it holds in the end is what was written. */
  fresh: v.boolean(),
  /** Whether a status that followed refused the opening, or perhaps did; a close proves that it did not. */
  refused: v.picklist(['no', 'perhaps', 'yes']),
  /** Sshd cut the opening line within the name: whether it writes is unknown. */
  cut: v.boolean(),
  /** What went wrong while writing. */
  fault: v.nullable(v.string()),
  /** What went wrong while reading. */
  readFault: v.optional(v.nullable(v.string()), null),
  /** Where a rename moved the file while it was open. */
  movedTo: v.nullable(v.string()),
  /** When it did, in ms since 1970. */
  movedAt: v.optional(v.nullable(v.number()), null),
  /** The size that the client gave the file while it was open, in bytes. */
  size: v.optional(v.nullable(v.number()), null),
  /** What happened to the file's name while it was open: no object will come of what is written. */
  gone: v.optional(v.nullable(v.picklist(['deleted', 'overwritten'])), null),
  /** A gap in the log may hold its closing line. */
  mayBeClosed: v.optional(v.boolean(), false),
  openedAt: v.number(),
});
export type Handle = v.InferOutput<typeof handle>;

const upload = v.object({
  /** Identity of its closing line. */
  id: v.string(),
  session: v.string(),
  /** Null where the log does not tell: its opening lines were lost. */
  user: v.nullable(v.string()),
  address: v.nullable(v.string()),
  /** Inside the user's chroot, absolute and normalised. */
  path: v.string(),
  /** The temporary name that it was written under. */
  uploadedAs: v.nullable(v.string()),
  /** Written in this upload; null where sshd cut the number off the log, or wrote none. */
  bytes: v.nullable(v.number()),
  /** Size of the file in the end, or null where writing did not begin at an empty file. */
  size: v.nullable(v.number()),
  /** Sshd cut the line that gave it its name: the path is only a beginning. */
  cut: v.boolean(),
  /** Null where its opening was not seen. */
  openedAt: v.nullable(v.number()),
  closedAt: v.number(),
  /** When a rename gave it its path, after it was closed: what lies there from before is another file. */
  renamedAt: v.nullable(v.number()),
  /** Seen by the witness alone, while the log is silent. */
  approximate: v.optional(v.boolean()),
  /** Before it was closed its name was removed, or given to another file. */
  gone: v.optional(v.picklist(['deleted', 'overwritten'])),
});
export type Upload = Readonly<v.InferOutput<typeof upload>>;

const operation = v.object({
  id: v.string(),
  at: v.number(),
  verb: v.picklist(['rename', 'remove', 'mkdir', 'rmdir', 'symlink', 'set']),
  name: v.string(),
  /** For a rename: each way to tell the old name from the new one, since quotes in names are not escaped. */
  targets: v.array(v.object({ from: v.string(), to: v.string() })),
  /** Of the new names only the beginning is known. */
  cut: v.boolean(),
  /** For a set: the size, in bytes, where it is the size that is set. */
  size: v.optional(v.nullable(v.number()), null),
});
/** An operation whose outcome is still open: only the session's next line tells whether it was refused. */
export type Operation = v.InferOutput<typeof operation>;

const session = v.object({
  id: v.string(),
  pid: v.number(),
  /** By the kernel's word; lines of the same pid with another uid are not this session's. */
  uid: v.number(),
  boot: v.string(),
  /** When its process began, in clock ticks since boot, once it was looked at: a pid is given out again. */
  startTicks: v.optional(v.nullable(v.number()), null),
  /** When its first line came, in ms of the clock that never steps (CLOCK_MONOTONIC): its process is older. */
  heardMs: v.optional(v.nullable(v.number()), null),
  user: v.nullable(v.string()),
  address: v.nullable(v.string()),
  /** SFTP channels of one connection that share its pid, as all do whose lines come through sshd's monitor. */
  channels: v.optional(v.number(), 1),
  /** Every request that can be refused has a line, so a refusal is always about the line before it. */
  verbose: v.boolean(),
  openedAt: v.number(),
  lastAt: v.number(),
  handles: v.array(handle),
  /** Files that are being written, of which too many were open to remember them all. */
  forgotten: v.optional(v.number(), 0),
  /** What went wrong while one of those was written. */
  forgottenFault: v.optional(v.nullable(v.string()), null),
  /** Uploads under a temporary name that wait for their rename, and the one whose close was not answered yet. */
  held: v.array(upload),
  /** The upload that the session's last line closed: a failing status right after it says that it is not whole. */
  closing: v.optional(v.nullable(v.string()), null),
  /** When the session's last line asked for something else that a failing status may answer, in ms since 1970. */
  askedAt: v.optional(v.nullable(v.number()), null),
  operation: v.nullable(operation),
  /** The handle that the session's last line opened; a failing status right after it makes it doubtful. */
  lastOpened: v.nullable(v.string()),
});
export type Session = v.InferOutput<typeof session>;

const outstanding = v.object({
  id: v.string(),
  session: v.string(),
  user: v.string(),
  path: v.string(),
  size: v.nullable(v.number()),
  /** Its bytes are to be counted when its object tells them. */
  uncounted: v.boolean(),
  openedAt: v.nullable(v.number()),
  closedAt: v.number(),
  renamedAt: v.nullable(v.number()),
  /** When to ask S3 next, in ms since 1970. */
  dueAt: v.number(),
  attempts: v.number(),
  /** The deadline passed and that was told. */
  overdue: v.boolean(),
});
/** A whole upload whose version in the bucket has not been seen yet. Never changed in place. */
export type Outstanding = Readonly<v.InferOutput<typeof outstanding>>;

const totals = v.object({
  completed: v.number(),
  partial: v.number(),
  bytes: v.number(),
  delivered: v.number(),
  /** Resolved without a receipt of its own: overwritten, deleted, or given up. */
  superseded: v.number(),
  /** Files that were read or written, with names too long for sshd’s log to tell which. */
  unknown: v.number(),
  /** Gaps in the log that could not be closed. */
  gaps: v.number(),
  /** Of the completed ones, those that only the witness saw. */
  approximate: v.optional(v.number(), 0),
});
/** Since the first start; shown by `status`. */
export type Totals = v.InferOutput<typeof totals>;

const uploadState = v.object({
  version: v.literal(1),
  /** When the agent was first started here: nothing before it counts. In ms since 1970. */
  since: v.number(),
  /** The last line that is counted in. */
  position: v.nullable(v.object({ cursor: v.string(), at: v.number() })),
  sessions: v.array(session),
  outstanding: v.array(outstanding),
  /** Lines of the last commit: whether they reached the log before a crash is asked at the next start. */
  outbox: v.object({ at: v.number(), lines: v.array(logLine) }),
  totals,
});
/** All that must survive the agent, as plain JSON. */
export type UploadState = Readonly<v.InferOutput<typeof uploadState>>;

export const NO_TOTALS: Readonly<Totals> = {
  completed: 0,
  partial: 0,
  bytes: 0,
  delivered: 0,
  superseded: 0,
  unknown: 0,
  gaps: 0,
  approximate: 0,
};

/** @param now what happened before it does not count */
export function emptyUploadState(now: number): UploadState {
  return {
    version: 1,
    since: now,
    position: null,
    sessions: [],
    outstanding: [],
    outbox: { at: 0, lines: [] },
    totals: { ...NO_TOTALS },
  };
}

export interface LoadedUploadState {
  readonly state: UploadState;
  /** Why an old state could not be used, where there was one. */
  readonly problem: string | undefined;
}

/**
 * Checks what a checkpoint held for this room.
 * @param value undefined at the first start
 * @param now where the counting begins if there is no usable state
 * @returns the state, or an empty one with the reason why the old one could not be used
 */
export function loadUploadState(value: unknown, now: number): LoadedUploadState {
  if (value === undefined) return { state: emptyUploadState(now), problem: undefined };
  try {
    return { state: v.parse(uploadState, value), problem: undefined };
  } catch (cause) {
    const where = cause instanceof v.ValiError ? (v.getDotPath(cause.issues[0]) ?? '') : '';
    return { state: emptyUploadState(now), problem: `${where} ${messageOf(cause)}`.trim() };
  }
}
