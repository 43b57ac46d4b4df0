import type { Login } from '../bed/clients.ts';

/** What a file is filled with; see contentOf in random.ts. */
export interface Content {
  readonly seed: number;
  readonly size: number;
}

export type ClientKind = 'openssh' | 'ssh2' | 'lftp' | 'paramiko';

/** One thing that a partner does. Paths are absolute in the chroot. */
export type Step =
  /** A whole upload: new, or over what is there; under a temporary name first where one is given. */
  | {
      readonly kind: 'put';
      readonly path: string;
      readonly content: Content;
      readonly temporary?: string;
      /** Keeps the file open in its middle, for longer than the export waits. */
      readonly stallMs?: number;
    }
  /** Adds to the end of a file that this partner uploaded before. */
  | { readonly kind: 'append'; readonly path: string; readonly content: Content }
  /** Breaks off in the middle: the client is killed, or its connection cut. Ends the visit. */
  | { readonly kind: 'interrupt'; readonly path: string; readonly content: Content }
  /** Sends the rest of what an interrupted upload of the same content left. */
  | { readonly kind: 'resume'; readonly path: string; readonly content: Content }
  /** The server's process dies in the middle, by SIGKILL. Ends the visit. */
  | { readonly kind: 'vanish'; readonly path: string; readonly content: Content }
  /** More than the disk holds: the server refuses to write. */
  | { readonly kind: 'overflow'; readonly path: string; readonly content: Content }
  | { readonly kind: 'get'; readonly path: string }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'mkdir'; readonly path: string }
  /** Asks to write where a partner may not. */
  | { readonly kind: 'trespass'; readonly path: string };

/** A session of a partner's: one login, one client, some steps. */
export interface Visit {
  readonly client: ClientKind;
  readonly steps: readonly Step[];
}

/** What a client tells while it carries out a visit. */
export interface Progress {
  /** This step may have an effect from now on. */
  began(index: number): void;
  /** This step has had its whole effect, and the server said so. @param sent bytes, where the step can't tell */
  done(index: number, sent?: number): void;
}

/** Ends sessions from the server's side, and looks at files there. */
export interface ServerSide {
  /** SIGKILL to the partner's processes that serve SFTP. */
  killSessions(user: string): Promise<void>;
  /** Resolves when none of the partner's sessions is left. */
  sessionsGone(user: string): Promise<void>;
  /** Size of a file behind the mount, or undefined where there is none. */
  sizeOf(user: string, path: string): Promise<number | undefined>;
}

/** Carries out the steps in one session; rejects or returns early where the session breaks. */
export type Client = (
  login: Login,
  steps: readonly Step[],
  progress: Progress,
  server: ServerSide,
) => Promise<void>;
