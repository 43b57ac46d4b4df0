import type { Upload } from './state.ts';

/** Who did it, as far as the log tells. */
export interface Actor {
  readonly session: string;
  readonly user: string | null;
  readonly address: string | null;
}

/** What the folding of lines brings forth. `id` is the same whenever the same journal is folded again. */
export type Outcome =
  | { readonly kind: 'whole'; readonly upload: Upload }
  | { readonly kind: 'partial'; readonly upload: Upload; readonly reason: string }
  | {
      readonly kind: 'moved';
      readonly id: string;
      readonly at: number;
      readonly actor: Actor;
      readonly from: string;
      readonly to: string;
      /** Of the new path only the beginning is known. */
      readonly cut: boolean;
      /** Other readings of a line with quotes in its names: the one whose old path has an upload is right. */
      readonly others: readonly { readonly from: string; readonly to: string; readonly cut: boolean }[];
    }
  | {
      readonly kind: 'removed';
      readonly id: string;
      readonly at: number;
      readonly actor: Actor;
      readonly path: string;
    }
  /** Sshd cut the name, and with it whether an upload or a download has ended. */
  | {
      readonly kind: 'unknown';
      readonly id: string;
      readonly at: number;
      readonly actor: Actor;
      readonly beginning: string;
    }
  | Activity;

/** Something worth a line of the log and nothing else. */
export interface Activity {
  readonly kind: 'activity';
  readonly id: string;
  readonly at: number;
  readonly level: 'debug' | 'info' | 'warn';
  /** Transfer Family's name for it. */
  readonly type:
    | 'CONNECTED'
    | 'DISCONNECTED'
    | 'AUTH_FAILURE'
    | 'AUTH_SUCCESS'
    | 'OPEN'
    | 'CLOSE'
    | 'MKDIR'
    | 'RMDIR'
    | 'SETSTAT'
    | 'CREATE_SYMLINK'
    | 'ERROR';
  readonly message: string;
  readonly actor: Actor | null;
  readonly fields: Readonly<Record<string, string | number | null>>;
}
