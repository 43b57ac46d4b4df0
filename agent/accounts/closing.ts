import type { Fields } from './json-fields.ts';
import type { Partner } from './partner.ts';
import { orFault, parseExpiry } from './secret-native.ts';

/** Fields that shut an account, whatever else is wrong with what a secret says of it. */
export const CLOSING_FIELDS = ['enabled', 'expires'];

/** What shuts an account: said readably, by an entry that can't be read as a whole. It can shut, and never open. */
export type Closing = Pick<Partner, 'enabled' | 'expires'>;

export interface Closings {
  /** Of the user that the secret is, where it is no bundle. */
  readonly own: Closing | undefined;
  /** Of users in a bundle, by name. */
  readonly users: ReadonlyMap<string, Closing>;
}

/** Collects what shuts accounts. Where a field, or a user, is there twice, what shuts it sooner counts. */
export function findClosings({ values }: Pick<Fields, 'values'>): Closings {
  let own: Closing | undefined;
  const users = new Map<string, Closing>();
  for (const { path, value } of values) {
    const [first = '', user = '', field = ''] = path;
    if (path.length === 1) own = sooner(own, closingBy(first, value));
    else if (path.length === 3 && first === 'users') {
      const closing = sooner(users.get(user), closingBy(field, value));
      if (closing) users.set(user, closing);
    }
  }
  return { own, users };
}

/** What shuts a partner that was read and can't be taken. */
export function closingOf({ enabled, expires }: Partner): Closing | undefined {
  return enabled && expires === null ? undefined : { enabled, expires };
}

function closingBy(field: string, value: unknown): Closing | undefined {
  if (field === 'enabled') {
    // In a hurry it gets quotes: nobody means anything else by it.
    const isOff = value === false || (typeof value === 'string' && /^false$/i.test(value));
    return isOff ? { enabled: false, expires: null } : undefined;
  }
  const expiry = orFault(() => parseExpiry(value, field));
  if ('fault' in expiry || expiry.value === null) return undefined;
  return { enabled: true, expires: expiry.value };
}

/** The stricter of two: off where either is, until the earlier end of both. */
export function sooner<T extends Closing>(one: T, other: Closing | undefined): T;
export function sooner(one: Closing | undefined, other: Closing | undefined): Closing | undefined;
export function sooner(one: Closing | undefined, other: Closing | undefined): Closing | undefined {
  if (!one || !other) return one ?? other;
  const ends = [one.expires, other.expires].filter((end) => end !== null);
  const expires = ends.length > 0 ? Math.min(...ends) : null;
  return { ...one, enabled: one.enabled && other.enabled, expires };
}
