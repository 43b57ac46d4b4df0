import type { Login } from '../bed/clients.ts';

/** What a file is filled with; see contentOf in random.ts. */
export interface Content {
  readonly seed: number;
  readonly size: number;
}

export type ClientKind = 'openssh' | 'scp' | 'ssh2' | 'lftp' | 'paramiko';

/** Only a program's own client can send any name, and hold more than one file or session at once. */
export const isProgram = (client: ClientKind): boolean => client === 'ssh2' || client === 'paramiko';

/** One thing that a partner does. Paths are absolute in the chroot. */
export type Step =
  /** A whole upload: new, or over what is there; under a temporary name first where one is given. */
  | {
      readonly kind: 'put';
      readonly path: string;
      readonly content: Content;
      readonly temporary?: string;
      /** Keeps the file open, for longer than the export waits: in its middle, or after the last write. */
      readonly stallMs?: number;
      readonly stallsAt?: 'middle' | 'end';
      /** Another session of the partner's renames the temporary file, once it is closed. */
      readonly renamedByOther?: boolean;
      /** Reads the file in the same session, before it is closed. */
      readonly readsBack?: boolean;
    }
  /** Adds to the end of a file that this partner uploaded before. */
  | {
      readonly kind: 'append';
      readonly path: string;
      readonly content: Content;
      /** Keeps the file open after the last write. */
      readonly stallMs?: number;
    }
  /** Breaks off in the middle: the client is killed, or its connection cut. Ends the visit. */
  | { readonly kind: 'interrupt'; readonly path: string; readonly content: Content }
  /** Sends the rest of what an interrupted upload of the same content left. */
  | { readonly kind: 'resume'; readonly path: string; readonly content: Content }
  /** The server's process dies in the middle, by SIGKILL. Ends the visit. */
  | { readonly kind: 'vanish'; readonly path: string; readonly content: Content }
  /** More than the disk holds: the server refuses to write. */
  | { readonly kind: 'overflow'; readonly path: string; readonly content: Content }
  /** A whole upload whose name is removed before it is closed. */
  | { readonly kind: 'remove-open'; readonly path: string; readonly content: Content }
  /** A whole upload that gets its final name before it is closed. */
  | {
      readonly kind: 'rename-open';
      readonly path: string;
      readonly to: string;
      readonly content: Content;
    }
  /** One file is open twice at once, and the second opening empties what the first has written. */
  | {
      readonly kind: 'overlap';
      readonly path: string;
      readonly contents: readonly [Content, Content];
      /** Whether the second opening is another session's. */
      readonly byOther: boolean;
      /** How much of its content the first writes before the second comes; the rest after that has written all. */
      readonly before: number;
      readonly closesFirst: 0 | 1;
    }
  /** Two sessions write the same file in turn. */
  | { readonly kind: 'in-turn'; readonly path: string; readonly contents: readonly Content[] }
  /** One session hangs in the middle; another sends the file whole, and then the first breaks off. */
  | { readonly kind: 'send-again'; readonly path: string; readonly content: Content }
  | { readonly kind: 'get'; readonly path: string }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'mkdir'; readonly path: string }
  /** Asks to write where a partner may not. */
  | { readonly kind: 'trespass'; readonly path: string };

/** Whether it is wrong for the server to take this. */
export function mustBeRefused({ kind }: Step): boolean {
  return kind === 'trespass' || kind === 'overflow';
}

/** A session of a partner's: one login, one client, some steps. */
export interface Visit {
  readonly client: ClientKind;
  readonly steps: readonly Step[];
}

/** Visits that a partner makes at the same time, to different files; mostly one alone. */
export type Round = readonly Visit[];

/** How many uploads a step is. */
export function uploadsOf(step: Step): number {
  switch (step.kind) {
    case 'overlap':
    case 'in-turn':
      return step.contents.length;
    case 'send-again':
      return 2;
    default:
      return 'content' in step ? 1 : 0;
  }
}

export const uploadsIn = (steps: readonly Step[]): number =>
  steps.reduce((sum, step) => sum + uploadsOf(step), 0);

/** The paths that a step may change. */
export function pathsOf(step: Step): readonly string[] {
  switch (step.kind) {
    case 'rename':
      return [step.from, step.to];
    case 'rename-open':
      return [step.path, step.to];
    case 'put':
      return step.temporary === undefined ? [step.path] : [step.path, step.temporary];
    case 'get':
    case 'trespass':
      return [];
    default:
      return [step.path];
  }
}

/** What a file holds in the end that two had open: the second emptied it, and the first wrote its rest after that. */
export function overlaid(first: Buffer, second: Buffer, before: number): Buffer {
  const rest = first.subarray(before);
  const end = rest.length === 0 ? 0 : first.length;
  const whole = Buffer.alloc(Math.max(second.length, end));
  second.copy(whole);
  rest.copy(whole, before);
  return whole;
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
