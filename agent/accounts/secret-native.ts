import { isDirectoryName } from './account-name.ts';
import { parseNetwork } from './network.ts';
import type { PartnerKey } from './partner.ts';
import { parsePublicKey } from './public-key.ts';
import type { ParsedUser } from './secret-document.ts';

const FIELDS = ['publicKeys', 'uid', 'enabled', 'expires', 'allowedNetworks', 'directories'];
const KEY_FIELDS = ['key', 'expires', 'from'];
const MOST_KEYS = 50;
const MOST_NETWORKS = 64;
const MOST_DIRECTORIES = 16;

/** A value of the secret that is not what it has to be; the message names the field, never the value. */
class FieldFault extends Error {}

/**
 * Reads a user in the native form. Strict: a field that is not known could be a limit misspelt, so it makes the user
 * unreadable instead of being left out. A fault in one key refuses that key only.
 */
export function parseNative(user: string, secret: string, value: Record<string, unknown>): ParsedUser {
  try {
    const strange = Object.keys(value).some((field) => !FIELDS.includes(field));
    if (strange) throw new FieldFault(`has a field that is none of ${FIELDS.join(', ')}`);
    const { keys, problems } = parseKeys(value.publicKeys);
    const partner = {
      name: user,
      secret,
      uid: value.uid === undefined ? null : parseUid(value.uid),
      enabled: parseEnabled(value.enabled),
      expires: parseExpiry(value.expires, 'expires'),
      networks: parseNetworks(value.allowedNetworks, 'allowedNetworks'),
      directories: value.directories === undefined ? null : parseDirectories(value.directories),
      keys,
    };
    return { entry: { user, partner, problems, refused: problems.length }, notes: [] };
  } catch (fault) {
    if (!(fault instanceof FieldFault)) throw fault;
    return { entry: { user, partner: null, problems: [fault.message], refused: 0 }, notes: [] };
  }
}

function parseKeys(value: unknown): { keys: PartnerKey[]; problems: string[] } {
  if (!Array.isArray(value)) throw new FieldFault('"publicKeys" must be a list of OpenSSH public keys');
  if (value.length > MOST_KEYS) throw new FieldFault(`"publicKeys" must hold at most ${MOST_KEYS} keys`);
  return collectKeys(value, parseKey);
}

/**
 * Reads each key of a list; a fault refuses the key alone and says which.
 * @returns the good keys, each once, and a problem for each other
 */
export function collectKeys(
  list: readonly unknown[],
  parse: (value: unknown) => PartnerKey,
): { keys: PartnerKey[]; problems: string[] } {
  const keys = new Map<string, PartnerKey>();
  const problems: string[] = [];
  for (const [index, value] of list.entries()) {
    try {
      const key = parse(value);
      // Of two lines for one key sshd would take the laxer; nobody means that.
      if (keys.has(key.fingerprint)) throw new FieldFault('is listed twice');
      keys.set(key.fingerprint, key);
    } catch (fault) {
      if (!(fault instanceof FieldFault)) throw fault;
      problems.push(`key ${index + 1} ${fault.message}`);
    }
  }
  return { keys: [...keys.values()], problems };
}

function parseKey(value: unknown): PartnerKey {
  if (typeof value === 'string') return plainKey(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FieldFault('must be a string or an object with "key"');
  }
  const fields: Record<string, unknown> = { ...value };
  if (Object.keys(fields).some((field) => !KEY_FIELDS.includes(field))) {
    throw new FieldFault(`has a field that is none of ${KEY_FIELDS.join(', ')}`);
  }
  if (typeof fields.key !== 'string') throw new FieldFault('has no "key" that is a string');
  const expires = parseExpiry(fields.expires, 'expires');
  return { ...plainKey(fields.key), expires, from: parseNetworks(fields.from, 'from') };
}

/** A key with no limits of its own. @throws FieldFault */
export function plainKey(text: string): PartnerKey {
  const verdict = parsePublicKey(text);
  if (!verdict.ok) throw new FieldFault(verdict.problem);
  return { ...verdict.key, expires: null, from: null };
}

function parseUid(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 2 ** 31) return value;
  throw new FieldFault('"uid" must be a whole number');
}

/** @throws FieldFault */
export function parseEnabled(value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? true;
  throw new FieldFault('"enabled" must be true or false');
}

const DATE = /^(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** A zone can carry the last evening of 9999 into a year of five digits, which expiry-time= has no room for. */
const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59);

/** A date (it ends as that day begins, in UTC, as OpenSSH has it) or a date and time with its zone. @throws FieldFault */
export function parseExpiry(value: unknown, field: string): number | null {
  if (value === undefined || value === null) return null;
  const [text = '', day = ''] = (typeof value === 'string' && DATE.exec(value)) || [];
  const time = Date.parse(text);
  // 31 February parses, as 3 March.
  const isRealDay = !Number.isNaN(Date.parse(day)) && new Date(day).toISOString().startsWith(day);
  if (Number.isNaN(time) || !isRealDay) {
    throw new FieldFault(`has "${field}" that is no time such as "2027-01-31" or "2027-01-31T12:00:00Z"`);
  }
  return Math.min(time, LATEST);
}

/** @returns canonical networks, or null where there is no such limit. @throws FieldFault */
export function parseNetworks(value: unknown, field: string): readonly string[] | null {
  if (value === undefined || value === null) return null;
  // An empty list could mean nobody or everybody: ask.
  if (!Array.isArray(value) || value.length === 0 || value.length > MOST_NETWORKS) {
    throw new FieldFault(`"${field}" must be a list of 1 to ${MOST_NETWORKS} networks`);
  }
  return value.map((text, index) => {
    const network = typeof text === 'string' ? parseNetwork(text) : undefined;
    if (!network)
      throw new FieldFault(`"${field}" entry ${index + 1} is no network such as "203.0.113.0/24"`);
    return network.text;
  });
}

function parseDirectories(value: unknown): readonly string[] {
  const names: unknown[] = Array.isArray(value) ? value : [];
  const valid = names.filter((name) => typeof name === 'string').filter(isDirectoryName);
  const isGood = valid.length === names.length && new Set(valid).size === valid.length;
  if (isGood && valid.length > 0 && valid.length <= MOST_DIRECTORIES) return valid;
  throw new FieldFault(
    `"directories" must be a list of 1 to ${MOST_DIRECTORIES} different names, without "/" and not "dev"`,
  );
}

/** Runs a reader of fields; a fault becomes its message. */
export function orFault<T>(read: () => T): { value: T } | { fault: string } {
  try {
    return { value: read() };
  } catch (fault) {
    if (fault instanceof FieldFault) return { fault: fault.message };
    throw fault;
  }
}
