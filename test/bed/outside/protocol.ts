/** What the world outside of the host does when a test asks; each message is answered under its id. */
export interface Request {
  readonly id: number;
  readonly call: string;
  readonly args: readonly unknown[];
}

export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Ports on the loopback interface of the bed's network. */
export const AWS_PORT = 4566;
export const MOTO_PORT = 4567;

/** Names of sockets in the bed's directory. */
export const AWS_SOCKET = 'aws.sock';
export const BRIDGE_SOCKET = 'bridge.sock';

/**
 * - throttle, deny, error: AWS's own kind of answer (ThrottlingException or SlowDown, AccessDenied, 500)
 * - hang: no answer, ever
 * - delay: the answer comes after delayMs
 * - cut: AWS never sees the request, the connection breaks
 * - lose-answer: AWS carries the request out, and the connection breaks before the answer
 */
export type FaultKind = 'throttle' | 'deny' | 'error' | 'hang' | 'delay' | 'cut' | 'lose-answer';

export interface Fault {
  /** `ListSecrets`, `PutMetricData`, `HeadObject`, …, or `*` for all. */
  readonly operation: string;
  readonly kind: FaultKind;
  /** How many calls it lets pass before. */
  readonly after?: number;
  /** How many calls it hits; without, all until clearFaults. */
  readonly count?: number;
  readonly delayMs?: number;
  /** With `deny` on BatchGetSecretValue: only these secrets are denied, in an answer that has the others. */
  readonly secrets?: readonly string[];
}

/** One call that the host made. */
export interface Call {
  readonly operation: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Milliseconds until the answer had been sent on, or the connection was closed without one. */
  readonly ms: number;
  readonly status: number | null;
  /** PutMetricData only: what was sent, decoded. */
  readonly body?: unknown;
}

export interface ExporterOptions {
  readonly directory: string;
  readonly bucket: string;
  /** The file system's prefix in the bucket: empty, or ending in a slash. */
  readonly prefix: string;
  readonly quietMs: number;
}
