import type { Plan } from '../accounts/plan.ts';
import type { AccountReport } from '../accounts/sync.ts';
import type { MountReport } from '../mount/watch.ts';
import type { AgentStatus } from '../status.ts';

/** What a command may ask of the running agent. Each takes and gives plain JSON. */
export interface ControlHandlers {
  status(args: Record<string, never>): AgentStatus;
  /** What the next sync would do, without doing it. */
  plan(args: Record<string, never>): Promise<Plan>;
  /** Syncs now; with `approve`, the held plan of that hash and no other is let through. */
  sync(args: { approve?: string }): Promise<AccountReport>;
  /** On: partners are refused and a mount that goes away is left alone. Answers when it is so, or after 40 s. */
  maintenance(args: { on: boolean }): Promise<MountReport>;
}

export type ControlReply<T> =
  | { readonly ok: true; readonly result: T }
  | { readonly ok: false; readonly error: string; readonly code?: string; readonly hint?: string };
