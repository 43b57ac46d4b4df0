import { readFile, stat } from 'node:fs/promises';
import { parseGroup, parsePasswd, parseShadow } from '../os/passwd.ts';
import type { ActualAccount, HostAccounts } from './actual.ts';
import type { AccountPaths } from './paths.ts';

/**
 * Reads passwd(5), group(5) and shadow(5), and parses them again only when one of them has changed: of 10,000 accounts
 * that would leave 10 MB behind at each pass.
 */
export function createAccountFilesReader({
  passwd,
  group,
  shadow,
}: Pick<AccountPaths, 'passwd' | 'group' | 'shadow'>): () => Promise<HostAccounts> {
  const paths = [passwd, group, shadow];
  let seen = '';
  let known: HostAccounts | undefined;
  return async () => {
    // Before the files themselves: what changes in between is then read again at the next pass.
    const stamp = (await Promise.all(paths.map(stampOf))).join(' ');
    if (known === undefined || stamp !== seen) {
      const [users = '', groups = '', passwords = ''] = await Promise.all(
        paths.map((path) => readFile(path, 'utf8')),
      );
      known = readAccounts(users, groups, passwords);
      seen = stamp;
    }
    return known;
  };
}

/** The account tools replace the file, so its inode changes even within one tick of its clock. */
async function stampOf(path: string): Promise<string> {
  const { ino, ctimeMs, mtimeMs, size } = await stat(path);
  return `${ino}.${ctimeMs}.${mtimeMs}.${size}`;
}

/** Joins the three account files (their text) by name. */
export function readAccounts(passwd: string, group: string, shadow: string): HostAccounts {
  const groups = parseGroup(group);
  const memberships = new Map<string, string[]>();
  for (const { name, members } of groups) {
    for (const member of members) memberships.set(member, [...(memberships.get(member) ?? []), name]);
  }
  const passwords = new Map(parseShadow(shadow).map((entry) => [entry.name, entry]));
  const accounts = new Map<string, ActualAccount>();
  const uids = new Map<number, string>();
  for (const { name, uid, gid, gecos, home, shell } of parsePasswd(passwd)) {
    const shadowed = passwords.get(name);
    const account: ActualAccount = {
      uid,
      gid,
      gecos,
      home,
      shell,
      groups: memberships.get(name) ?? [],
      password: shadowed?.password ?? 'missing',
      hasExpiry: shadowed?.hasExpiry ?? false,
    };
    if (!accounts.has(name)) accounts.set(name, account);
    if (!uids.has(uid)) uids.set(uid, name);
  }
  return {
    accounts,
    uids,
    groups: new Map(groups.map(({ name, gid }) => [name, gid])),
    gids: new Map(groups.map(({ name, gid }) => [gid, name])),
  };
}
