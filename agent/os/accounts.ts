import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GECOS, HOME, MARKER_GROUP, SHELL } from './account-marks.ts';
import type { Edges } from './edges.ts';
import type { Argv } from './exec.ts';
import { execOk } from './exec-ok.ts';

export interface NewAccount {
  readonly user: string;
  readonly uid: number;
}

export interface AccountFailure {
  readonly user: string;
  readonly cause: unknown;
}

interface AccountTools extends Pick<Edges, 'exec'> {
  /** Where `/etc` is looked for: `/`, save in tests. */
  readonly root: string;
}

/** What the password field of an open account holds: nothing hashes to it, so keys alone log in. */
const KEYS_ONLY = '*';
/** systemd-sysusers makes 10,000 accounts in 2 s; a machine five times slower stays far below this. */
const BATCH_TIMEOUT_MS = 120_000;

/**
 * Makes accounts with their private groups and marker group, or completes those that exist in part.
 * `--root` keeps sysusers from asking nss-systemd for every name: 0.55 s instead of 15.7 s for 10,000.
 * It exits 0 when it gave an account another uid than asked, so the caller reads passwd again afterwards.
 * @returns the users for which the tool failed; the others are made
 */
export function createAccounts(
  accounts: readonly NewAccount[],
  tools: AccountTools,
): Promise<AccountFailure[]> {
  return inHalves(accounts, async (batch) => {
    const lines = batch.flatMap(({ user, uid }) => [
      `g ${user} ${uid}`,
      `u ${user} ${uid}:${uid} "${GECOS}" ${HOME} ${SHELL}`,
      `m ${user} ${MARKER_GROUP}`,
    ]);
    const input = `g ${MARKER_GROUP} -\n${lines.join('\n')}\n`;
    const argv: Argv = ['systemd-sysusers', `--root=${tools.root}`, '-'];
    const credentials = keysOnlyCredentials(batch);
    try {
      const env = { CREDENTIALS_DIRECTORY: credentials };
      await execOk(tools.exec, argv, { input, env, timeoutMs: BATCH_TIMEOUT_MS });
    } finally {
      rmSync(credentials, { recursive: true, force: true });
    }
  });
}

/**
 * The password field as a credential for each user (systemd-sysusers(8), CREDENTIALS, since 250): sysusers writes it
 * as it makes the account, where chpasswd would take 2 s more for 10,000. It is no secret. An account that gets none,
 * from an older systemd, is locked, and opened by {@link setPasswords} afterwards.
 * @returns a directory that belongs to this process
 */
function keysOnlyCredentials(accounts: readonly NewAccount[]): string {
  const directory = mkdtempSync(join(tmpdir(), 's3files-sftp-credentials-'));
  writeFileSync(join(directory, 'keys-only'), KEYS_ONLY);
  for (const { user } of accounts)
    symlinkSync('keys-only', join(directory, `passwd.hashed-password.${user}`));
  return directory;
}

export interface PasswordChange {
  readonly user: string;
  /** true: no login at all; false: with keys only. */
  readonly locked: boolean;
}

/** Sets password fields to `*` or `!*` as they are, without hashing: `-e` says that they are encrypted. */
export function setPasswords(
  changes: readonly PasswordChange[],
  tools: AccountTools,
): Promise<AccountFailure[]> {
  return inHalves(changes, async (batch) => {
    const lines = batch.map(({ user, locked }) => `${user}:${locked ? '!' : ''}${KEYS_ONLY}`);
    const argv: Argv = ['chpasswd', '-e', ...inRoot(tools.root)];
    await execOk(tools.exec, argv, { input: `${lines.join('\n')}\n`, timeoutMs: BATCH_TIMEOUT_MS });
  });
}

/**
 * Puts an account back into the form that {@link createAccounts} gives it, whatever was changed.
 * Its primary group comes last: as it changes that, usermod gives away what lies in the user's home, so this has to be
 * root's before; nothing of the user's lies there.
 * @param home whether its home has to be set too: usermod refuses that alone while the user has a process (exit 8)
 * @throws OperationError
 */
export async function repairAccount(
  { user, uid }: NewAccount,
  home: boolean,
  tools: AccountTools,
): Promise<void> {
  const usermod = (args: string[], hint?: string) =>
    execOk(tools.exec, ['usermod', ...inRoot(tools.root), ...args, user], hint === undefined ? {} : { hint });
  const form = ['-s', SHELL, '-c', GECOS, '-G', MARKER_GROUP, '-e', ''];
  const group = ['-g', String(uid)];
  await usermod(home ? form : [...form, ...group]);
  if (!home) return;
  await usermod(
    ['-d', HOME],
    'it can be set when the user’s sessions have ended; a home on the mount hangs logins',
  );
  await usermod(group);
}

function inRoot(root: string): string[] {
  return root === '/' ? [] : ['-R', root];
}

/**
 * Runs a batch; when the tool fails, each half of it, down to the items that fail alone: both tools stop at the first
 * bad line, and one user must not cost the others their accounts.
 */
async function inHalves<Item extends { readonly user: string }>(
  items: readonly Item[],
  run: (batch: readonly Item[]) => Promise<void>,
): Promise<AccountFailure[]> {
  const [first] = items;
  if (!first) return [];
  try {
    await run(items);
    return [];
  } catch (cause) {
    if (items.length === 1) return [{ user: first.user, cause }];
    const middle = items.length >> 1;
    const left = await inHalves(items.slice(0, middle), run);
    // A tool that fails for a whole half fails by itself: asking it once for each user would take minutes.
    if (left.length === middle && middle >= 16) {
      return items.map(({ user }) => ({ user, cause }));
    }
    return [...left, ...(await inHalves(items.slice(middle), run))];
  }
}
