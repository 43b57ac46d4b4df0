/** What an operation was, so that whoever reads the log at 3 a.m. can act on it. */
export interface Operation {
  /** What was tried, as a verb phrase: `write key file`, `start unit`. */
  readonly op: string;
  /** On what: a path, a unit, a secret's name. Never a secret's value. */
  readonly target: string;
  /** What the reader can do about it. */
  readonly hint?: string;
}

/**
 * The one error class of the agent: what was tried, on what, why it failed (`cause`) and what fixes it (`hint`).
 * Thrown or returned upward; logged once, where it is handled.
 */
export class OperationError extends Error implements Operation {
  readonly op: string;
  readonly target: string;
  readonly hint?: string;

  constructor(operation: Operation, cause?: unknown) {
    const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
    super(`${operation.op} ${operation.target}${why}`, cause === undefined ? undefined : { cause });
    this.name = 'OperationError';
    this.op = operation.op;
    this.target = operation.target;
    if (operation.hint !== undefined) this.hint = operation.hint;
  }
}

/** The text of anything thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The name of an error's class, by which the AWS SDK tells its errors apart (`ResourceNotFoundException`). */
export function nameOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : String(thrown);
}

/** The `code` of a Node.js or AWS error (`ENOENT`), or undefined. */
export function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
