import { nameFault, quoteName } from './account-name.ts';
import { CLOSING_FIELDS, type Closing, findClosings } from './closing.ts';
import { scanFields } from './json-fields.ts';
import type { ParsedUser, SecretDocument, SecretEntry } from './secret-document.ts';
import { parseNative } from './secret-native.ts';
import { isTransferFamily, parseTransferFamily } from './secret-transfer-family.ts';

/** Secrets Manager's own limit for a value (https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html). */
const LONGEST_VALUE = 65_536;
/** 64 KiB hold some 900 users with nothing in them. */
const MOST_USERS = 2_000;

export interface SecretText {
  readonly secret: string;
  readonly versionId: string;
  /** undefined: the secret holds binary data. */
  readonly text: string | undefined;
}

/**
 * Reads one secret in whichever form it has: a bundle (`{"users": {…}}`), Transfer Family's, or the native one.
 * Never throws, and no part of the value enters a message, save names of users.
 */
export function parseSecret({ secret, versionId, text }: SecretText): SecretDocument {
  const base = { secret, versionId, problems: [], notes: [] };
  const user = secret.split('/').at(-1) ?? '';
  const unreadable = (problem: string, entries: readonly SecretEntry[] = []): SecretDocument => ({
    ...base,
    form: 'unreadable',
    entries,
    whole: false,
    problems: [problem],
  });
  if (text === undefined) return unreadable('holds binary data instead of JSON text');
  const value = parseObject(text);
  if (typeof value === 'string') return unreadable(value);
  const fields = scanFields(text, CLOSING_FIELDS);
  const closings = findClosings(fields);
  const tooDeep = 'is nested deeper than any user or bundle';

  if (Object.hasOwn(value, 'users')) {
    // Whom it shuts is shut, whatever is wrong with the rest.
    const shut = [...closings.users].map(([name, closing]) => shutEntry(name, closing));
    const users = asObject(value.users);
    if (!users) return unreadable('"users" must be an object of users by name', shut);
    if (fields.isDeep) return unreadable(tooDeep, shut);
    if (Object.keys(value).length > 1) return unreadable('a bundle must hold nothing beside "users"', shut);
    const named = Object.entries(users);
    if (named.length > MOST_USERS) return unreadable(`holds more than ${MOST_USERS} users`, shut);
    if (fields.repeated.some(({ length }) => length === 1)) return unreadable('names "users" twice', shut);
    const twice = new Map<string, string>();
    for (const [, name = '', ...field] of fields.repeated)
      if (field.length > 0) twice.set(name, 'has a field twice');
    for (const [, name = '', ...field] of fields.repeated)
      if (field.length === 0) twice.set(name, 'is named twice in the bundle');
    const parse = ([name, spec]: [string, unknown]) =>
      orShut(parseUser(name, secret, spec, twice.get(name)), closings.users.get(name));
    return { ...base, form: 'bundle', whole: true, ...gather(named.map(parse)) };
  }
  if (fields.isDeep) return unreadable(tooDeep, closings.own ? [shutEntry(user, closings.own)] : []);
  const form = isTransferFamily(value) ? 'transfer-family' : 'native';
  const twice = fields.repeated.length > 0 ? 'has a field twice' : undefined;
  const parsed = orShut(parseUser(user, secret, value, twice), closings.own);
  return { ...base, form, whole: true, ...gather([parsed]) };
}

/** All that can be told of a user whose secret can't be read. */
function shutEntry(user: string, closing: Closing): SecretEntry {
  return { user, partner: null, problems: [], refused: 0, closing };
}

function orShut({ entry, notes }: ParsedUser, closing: Closing | undefined): ParsedUser {
  return entry.partner === null && closing ? { entry: { ...entry, closing }, notes } : { entry, notes };
}

function gather(users: readonly ParsedUser[]): Pick<SecretDocument, 'entries' | 'notes'> {
  return {
    entries: users.map(({ entry }) => entry),
    notes: users.flatMap(({ entry, notes }) => notes.map((note) => `${quoteName(entry.user)}: ${note}`)),
  };
}

/** @param twice what of the user the text says twice, where it does: nobody can know which one is meant */
function parseUser(name: string, secret: string, spec: unknown, twice: string | undefined): ParsedUser {
  const fault = nameFault(name);
  const refuse = (problem: string): ParsedUser => ({
    entry: { user: name, partner: null, problems: [problem], refused: 0 },
    notes: [],
  });
  if (fault !== undefined) return refuse(`the name ${fault}`);
  if (twice !== undefined) return refuse(twice);
  const value = asObject(spec);
  if (!value) return refuse('must be an object with "publicKeys"');
  return isTransferFamily(value)
    ? parseTransferFamily(name, secret, value)
    : parseNative(name, secret, value);
}

/** @returns the object, or what is wrong with the text */
function parseObject(text: string): Record<string, unknown> | string {
  if (text.length > LONGEST_VALUE) return `is longer than ${LONGEST_VALUE} characters`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which must not reach a log.
    return 'is not JSON';
  }
  return asObject(value) ?? 'must be a JSON object';
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
