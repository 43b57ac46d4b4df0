import type { Partner } from './partner.ts';

/** What the agent knows of an account that it owns: enough to serve it without AWS. Plain JSON. */
export interface LedgerUser {
  readonly name: string;
  /** Bound to the name for ever. */
  readonly uid: number;
  /** The secret that the user comes from. */
  readonly secret: string;
  /** The last good state. */
  readonly partner: Partner;
  /** Keys gone, locked; name and uid stay reserved. */
  readonly removed: boolean;
  /** Fingerprints that could open a session when this was written; one that leaves has its sessions ended. */
  readonly live: readonly string[];
  /** Sessions still to be ended: those opened by these fingerprints, or all. Kept until it has been done. */
  readonly ending: readonly string[] | 'all';
  /** Whether chroot and directories were found or made in order on the mount. */
  readonly chroot: boolean;
}

export const NOTHING_ENDING: readonly string[] = [];

/** Adds to the sessions that are still to be ended. */
export function addEnding(ending: LedgerUser['ending'], more: LedgerUser['ending']): LedgerUser['ending'] {
  if (ending === 'all' || more === 'all') return 'all';
  return more.length === 0 ? ending : [...new Set([...ending, ...more])];
}
