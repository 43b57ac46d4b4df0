/** What the agent asks of the child that works on the mount, as JSON on its standard input. */
export interface MountRequest {
  readonly uidMin: number;
  readonly uidMax: number;
  /** Refuse to touch a directory that is no mount point; false only in tests. */
  readonly mountPoint: boolean;
  /** No user is begun after so many ms: the others are left for another time. Without it all are done. */
  readonly budgetMs?: number;
  /** Uids and gids of the range that are somebody's on this host, with the name: no newcomer gets another's. */
  readonly taken?: readonly (readonly [number, string])[];
  readonly users: readonly MountUser[];
  /** Names of directories that partners have, also those of other requests. Without it: those of these users. */
  readonly places?: readonly string[];
}

export interface MountUser {
  readonly user: string;
  /** The uid that has to be the user's; null: the one claimed for the name, found on its directories, or a new one. */
  readonly uid: number | null;
  readonly directories: readonly string[];
  /** A user that no account exists for: what lies in its place belongs to it only where the owner says so. */
  readonly newcomer: boolean;
}

/** One look for each, at every directory that nobody has claimed. */
const MOST_PLACES = 32;

/** Names of the directories that these users have: those of most first. */
export function placesOf(users: readonly Pick<MountUser, 'directories'>[]): string[] {
  const counts = new Map<string, number>();
  for (const { directories } of users)
    for (const name of directories) counts.set(name, (counts.get(name) ?? 0) + 1);
  const byCount = [...counts].sort(([, one], [, other]) => other - one);
  return byCount.slice(0, MOST_PLACES).map(([name]) => name);
}

export type MountResult =
  | {
      readonly user: string;
      readonly uid: number;
      /** Owners and directories that had to be put right. */
      readonly repaired: readonly string[];
    }
  | { readonly user: string; readonly problem: string; readonly hint: string };

/** Its answer, as JSON on standard output: one result for each user that was begun, in their order. */
export interface MountResponse {
  readonly results: readonly MountResult[];
}
