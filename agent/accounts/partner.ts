import type { PublicKey } from './public-key.ts';

/** A key and what limits its use. */
export interface PartnerKey extends PublicKey {
  /** ms since 1970; null: never. */
  readonly expires: number | null;
  /** Canonical networks; null: from anywhere. */
  readonly from: readonly string[] | null;
}

/**
 * One user as its secret states it, validated. Plain JSON, since it is also the last-good state on disk; always built
 * with its fields in this order, so that two are equal when their JSON is.
 */
export interface Partner {
  readonly name: string;
  /** Name of the secret that it comes from. */
  readonly secret: string;
  readonly uid: number | null;
  readonly enabled: boolean;
  readonly expires: number | null;
  readonly networks: readonly string[] | null;
  /** null: as configured. */
  readonly directories: readonly string[] | null;
  readonly keys: readonly PartnerKey[];
}

/** The keys that open a session at this time (ms since 1970). */
export function liveKeys(partner: Partner, now: number): readonly PartnerKey[] {
  const isLive = ({ expires }: { expires: number | null }) => expires === null || expires > now;
  return partner.enabled && isLive(partner) ? partner.keys.filter(isLive) : [];
}

/** Whether two say the same; see the order of the fields above. */
export function isSamePartner(one: Partner, other: Partner): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

/** Something that waits for somebody: a user or secret, what is wrong, and what to do about it. Never a value. */
export interface Problem {
  readonly user: string | null;
  readonly secret: string | null;
  readonly problem: string;
  readonly hint?: string;
}
