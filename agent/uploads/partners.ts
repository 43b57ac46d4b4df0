import { stat } from 'node:fs/promises';
import { GECOS, PROBE_USER } from '../os/account-marks.ts';
import { readFileIfExists } from '../os/files.ts';
import { parsePasswd } from '../os/passwd.ts';
import type { Partners } from './session-of.ts';

export interface PartnerDirectory extends Partners {
  /** Reads the accounts again if they have changed. @throws OperationError when they can't be read */
  refresh(): Promise<void>;
  /** The uid of the agent's own probe account, or undefined where the host has none. */
  probeUid(): number | undefined;
}

/**
 * The partners' accounts of this host: only they may upload, and a uid is only ever one of them.
 * @param startDirectory where a user's sessions start, absolute in the chroot
 * @param isPartnerUid whether a uid is of the configured range
 * @param passwd the file of passwd(5); tests name another
 */
export function partnersOfHost(
  startDirectory: (user: string | null) => string,
  isPartnerUid: (uid: number) => boolean,
  passwd = '/etc/passwd',
): PartnerDirectory {
  let names = new Map<number, string>();
  let uids = new Map<string, number>();
  let probe: number | undefined;
  let seen = '';
  return {
    nameOf: (uid) => names.get(uid),
    uidOf: (name) => uids.get(name),
    startDirectory,
    isPartnerUid,
    probeUid: () => probe,
    refresh: async () => {
      // The account tools replace the file, so its inode changes even within one tick of its clock.
      const { ino, mtimeMs, size } = await stat(passwd);
      const version = `${ino} ${mtimeMs} ${size}`;
      if (version === seen) return;
      const all = parsePasswd((await readFileIfExists(passwd)) ?? '');
      probe = all.find(({ name }) => name === PROBE_USER)?.uid;
      const entries = all.filter(({ gecos }) => gecos === GECOS);
      names = new Map(entries.map(({ uid, name }) => [uid, name]));
      uids = new Map(entries.map(({ uid, name }) => [name, uid]));
      seen = version;
    },
  };
}
