import { createHash } from 'node:crypto';
import { renderAuthorizedKeys } from './authorized-keys.ts';
import type { Partner } from './partner.ts';
import { fingerprintOf } from './public-key.ts';

/** A partner's file of keys, as far as it is of interest: the texts of 10,000 would be 20 MB where keys are long. */
export interface KeyFile {
  /** SHA-256 of the text; undefined where it is no regular file, or far larger than any of ours. */
  readonly digest: string | undefined;
  /** Of the keys in it, as sshd logs them. */
  readonly fingerprints: readonly string[];
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
}

/** What a key file with this text is to the plan. @param text undefined: there is none to read */
export function keyFileOf(text: string | undefined, owner: Pick<KeyFile, 'uid' | 'gid' | 'mode'>): KeyFile {
  if (text === undefined) return { digest: undefined, fingerprints: [], ...owner };
  return { digest: sha256(text), fingerprints: fingerprintsIn(text), ...owner };
}

/** Digests by partner, where time does not change the file. */
const digests = new WeakMap<Partner, string>();

/** Digest of the key file that a partner should have at this time (ms since 1970). */
export function keyFileDigest(partner: Partner, now: number): string {
  const known = digests.get(partner);
  if (known !== undefined) return known;
  const digest = sha256(renderAuthorizedKeys(partner, now));
  if (partner.expires === null && partner.keys.every(({ expires }) => expires === null))
    digests.set(partner, digest);
  return digest;
}

function fingerprintsIn(text: string): string[] {
  return [...text.matchAll(/^(?!#).*\s(AAAA[A-Za-z0-9+/]+={0,2})(?:\s|$)/gm)].map(([, base64 = '']) =>
    fingerprintOf(Buffer.from(base64, 'base64')),
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
