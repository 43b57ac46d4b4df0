import type { OperationError } from '../operation-error.ts';
import type { SecretDocument } from './secret-document.ts';

/** What Secrets Manager says of one secret. */
export type SecretReading =
  | {
      readonly secret: string;
      readonly state: 'changed';
      /** What it says; the text itself, all of them at once, would take as much memory as everything else. */
      readonly document: SecretDocument;
    }
  | { readonly secret: string; readonly state: 'unchanged' }
  /** By its own ResourceNotFound or DeletedDate, asked for by its name. */
  | { readonly secret: string; readonly state: 'gone' }
  | { readonly secret: string; readonly state: 'unread'; readonly problem: string; readonly hint: string };

export interface SecretsReading {
  readonly readings: readonly SecretReading[];
  /** Set when a call failed as a whole: then secrets may be missing from the readings, and none of them is gone. */
  readonly failure: OperationError | null;
}

export interface SecretsSource {
  /**
   * Reads what changed. Never throws: whatever was read whole is returned beside the failure.
   * @param known version by name of each secret that was read before; '' where the version is not known
   * @param prefix that names of secrets begin with
   */
  read(known: ReadonlyMap<string, string>, prefix: string, signal: AbortSignal): Promise<SecretsReading>;
}
