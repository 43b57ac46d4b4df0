import { readFile } from 'node:fs/promises';
import { parseGroup, parsePasswd } from '../os/passwd.ts';
import type { LedgerUser } from './ledger-user.ts';
import type { AccountPaths } from './paths.ts';

/** Names by number: of accounts, of groups, and of users whose account may be gone while their uid is theirs for ever. */
export type TakenUids = ReadonlyMap<number, readonly string[]>;

/**
 * What has a uid or gid of the range on this host.
 * @returns pairs of number and name, as they travel in JSON
 */
export async function readTakenUids(
  { passwd, group }: Pick<AccountPaths, 'passwd' | 'group'>,
  ledger: ReadonlyMap<string, LedgerUser>,
  { uidMin, uidMax }: { readonly uidMin: number; readonly uidMax: number },
): Promise<[number, string][]> {
  const [accounts, groups] = await Promise.all([readFile(passwd, 'utf8'), readFile(group, 'utf8')]);
  const pairs: [number, string][] = [
    ...parsePasswd(accounts).flatMap(({ name, uid, gid }): [number, string][] => [
      [uid, name],
      [gid, name],
    ]),
    ...parseGroup(groups).map(({ name, gid }): [number, string] => [gid, name]),
    ...[...ledger.values()].map(({ name, uid }): [number, string] => [uid, name]),
  ];
  const inRange = pairs.filter(([number]) => number >= uidMin && number <= uidMax);
  return [...new Map(inRange.map((pair) => [pair.join(), pair])).values()];
}

export function takenUidsOf(pairs: readonly (readonly [number, string])[]): Map<number, string[]> {
  const taken = new Map<number, string[]>();
  for (const [number, name] of pairs) taken.set(number, [...(taken.get(number) ?? []), name]);
  return taken;
}

/** Another name that has the number; undefined: it is free, or the user's own. */
export function otherName(user: string, uid: number, taken: TakenUids): string | undefined {
  return taken.get(uid)?.find((name) => name !== user);
}
