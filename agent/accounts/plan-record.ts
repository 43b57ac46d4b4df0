import { addEnding, type LedgerUser } from './ledger-user.ts';
import { isSamePartner, liveKeys, type Partner } from './partner.ts';
import type { StepOf } from './step.ts';

/**
 * The step that makes a changed target the last good state, or undefined where nothing has changed. Time passing is a
 * change too: keys that expired leave `live`, and their sessions are to be ended.
 * @param target null: removed
 * @param proof why it is removed
 */
export function recordStep(
  entry: LedgerUser,
  target: Partner | null,
  now: number,
  proof: string | undefined,
): StepOf<'record'> | undefined {
  const live = target === null ? [] : liveKeys(target, now).map(({ fingerprint }) => fingerprint);
  const lost = entry.live.filter((fingerprint) => !live.includes(fingerprint));
  const gained = live.filter((fingerprint) => !entry.live.includes(fingerprint));
  const removed = target === null;
  const partner = target ?? entry.partner;
  const hasChanged = !isSamePartner(partner, entry.partner);
  if (removed === entry.removed && !hasChanged && lost.length === 0 && gained.length === 0) return undefined;

  const isClosed = live.length === 0;
  const directories = JSON.stringify(partner.directories) === JSON.stringify(entry.partner.directories);
  const ending = isClosed && entry.live.length > 0 ? 'all' : lost;
  return {
    do: 'record',
    user: entry.name,
    entry: {
      ...entry,
      secret: partner.secret,
      partner,
      removed,
      live,
      ending: addEnding(entry.ending, ending),
      chroot: entry.chroot && directories && !(entry.removed && !removed),
    },
    why: whyOf({ entry, removed, lost, gained, isClosed, proof }),
  };
}

interface Change {
  readonly entry: LedgerUser;
  readonly removed: boolean;
  readonly lost: readonly string[];
  readonly gained: readonly string[];
  readonly isClosed: boolean;
  readonly proof: string | undefined;
}

function whyOf({ entry, removed, lost, gained, isClosed, proof }: Change): string {
  if (removed) return `removed: ${proof ?? 'absent'}`;
  if (entry.removed) return 'restored';
  if (isClosed && entry.live.length > 0) return 'closed: disabled, expired or without a key';
  const counts = [
    lost.length > 0 && `${lost.length} keys fewer`,
    gained.length > 0 && `${gained.length} keys more`,
  ];
  return counts.filter(Boolean).join(', ') || 'changed';
}
