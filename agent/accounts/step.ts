import type { LedgerUser } from './ledger-user.ts';
import type { Partner } from './partner.ts';

interface Steps {
  /** Makes this the last good state, before anything of it is done: a crash in between is then made good. */
  readonly record: { readonly entry: LedgerUser; readonly why: string };
  readonly 'remove-keys': { readonly why: string };
  readonly 'write-keys': {
    readonly gid: number;
    readonly content: string;
    /** Whether there was no file: then it lets somebody in. */
    readonly opens: boolean;
    readonly why: string;
  };
  /** null: all of the user's sessions. */
  readonly 'end-sessions': { readonly fingerprints: readonly string[] | null };
  readonly 'set-password': { readonly locked: boolean; readonly why: string };
  readonly 'repair-account': { readonly uid: number; readonly home: boolean; readonly why: string };
  readonly 'create-account': { readonly uid: number };
  readonly 'prepare-mount': {
    /** null: the one claimed for the name, the owner of existing directories, or a new one. */
    readonly uid: number | null;
    readonly directories: readonly string[];
    /** The partner to enter into the ledger, or null for a user that is in it. */
    readonly newcomer: Partner | null;
  };
}

export type StepKind = keyof Steps;
export type StepOf<Kind extends StepKind> = { readonly do: Kind; readonly user: string } & Steps[Kind];
export type Step = { [Kind in StepKind]: StepOf<Kind> }[StepKind];

/** Steps that take access away or answer at once; while there are any, the slower ones wait. */
export const URGENT: ReadonlySet<StepKind> = new Set(['record', 'remove-keys', 'write-keys', 'end-sessions']);

/** The order within one round: nobody's sessions are ended before the key that opened them is gone. */
export const ORDER: readonly StepKind[] = [
  'record',
  'remove-keys',
  'write-keys',
  'end-sessions',
  'set-password',
  'repair-account',
  'create-account',
  'prepare-mount',
];

/** A name for a step within a pass. */
export function stepKey(step: Pick<Step, 'do' | 'user'>): string {
  return `${step.do} ${step.user}`;
}
