import { isDirectoryName } from './account-name.ts';
import type { Partner } from './partner.ts';
import type { ParsedUser } from './secret-document.ts';
import { collectKeys, orFault, parseEnabled, parseExpiry, parseNetworks, plainKey } from './secret-native.ts';

/** The fields of AWS's published Secrets Manager identity provider; each may carry the protocol's prefix, which wins. */
const FIELDS = [
  'PublicKey',
  'Password',
  'Role',
  'Policy',
  'HomeDirectory',
  'HomeDirectoryDetails',
  'HomeDirectoryType',
  'AcceptedIpNetwork',
];
const PREFIXES = ['', 'SFTP'];
/** Of no meaning here: uploads are the mount's, and partners log in with keys. */
const IGNORED = ['Password', 'Role', 'Policy'];
const MOST_DIRECTORIES = 16;

/** Whether an object is a user in Transfer Family's form. */
export function isTransferFamily(value: Record<string, unknown>): boolean {
  return PREFIXES.some((prefix) => FIELDS.some((field) => Object.hasOwn(value, prefix + field)));
}

/** Reads a user in Transfer Family's form as it is, so that migrating is pointing `users.prefix` at the secrets. */
export function parseTransferFamily(
  user: string,
  secret: string,
  value: Record<string, unknown>,
): ParsedUser {
  const field = (name: string) => value[`SFTP${name}`] ?? value[name];
  const unreadable = (problem: string): ParsedUser => ({
    entry: { user, partner: null, problems: [problem], refused: 0 },
    notes: [],
  });
  // Variants of the published code spell it AcceptedIpNetworks or …List: a limit must not be lost to a spelling.
  const limits = Object.keys(value).filter((name) => /acceptedip/i.test(name));
  if (limits.some((name) => !/^(SFTP|FTP|FTPS)?AcceptedIpNetwork$/.test(name))) {
    return unreadable('has a network limit that is not spelt "AcceptedIpNetwork"');
  }
  if (Object.hasOwn(value, 'publicKeys')) return unreadable('mixes the native form with Transfer Family’s');
  const publicKey = field('PublicKey') ?? '';
  if (typeof publicKey !== 'string') return unreadable('"PublicKey" must be a string');
  const networks = orFault(() =>
    parseNetworks(splitNetworks(field('AcceptedIpNetwork')), 'AcceptedIpNetwork'),
  );
  if ('fault' in networks) return unreadable(networks.fault);
  // Not Transfer Family's, which refuses nobody for them; whoever writes them here wants the account shut.
  const limit = orFault(() => ({
    enabled: parseEnabled(value.enabled),
    expires: parseExpiry(value.expires, 'expires'),
  }));
  if ('fault' in limit) return unreadable(limit.fault);

  const lines = publicKey.split(',').map((line) => line.trim());
  const { keys, problems } = collectKeys(
    lines.filter((line) => line !== ''),
    (line) => plainKey(String(line)),
  );
  const refused = problems.length;
  if (keys.length === 0 && refused === 0) problems.push('has no "PublicKey"; partners log in with keys only');
  const { directories, notes } = parseHome(field('HomeDirectoryDetails'));
  const ignored = IGNORED.filter((name) => field(name) !== undefined);
  const partner: Partner = {
    name: user,
    secret,
    uid: null,
    ...limit.value,
    networks: networks.value,
    directories,
    keys,
  };
  const ignoredNote = ignored.length > 0 ? [`${ignored.join(', ')} of Transfer Family are ignored`] : [];
  return { entry: { user, partner, problems, refused }, notes: [...ignoredNote, ...notes] };
}

/** One CIDR, several with commas between, or a list; an empty string is no limit, as in the published code. */
function splitNetworks(value: unknown): unknown {
  if (value === undefined || value === null || value === '') return undefined;
  return typeof value === 'string' ? value.split(',').map((text) => text.trim()) : value;
}

/** The first segment of each mapping's `Entry` is a directory; `/` maps the whole home and names none. */
function parseHome(details: unknown): { directories: readonly string[] | null; notes: string[] } {
  if (details === undefined) return { directories: null, notes: [] };
  const entries = parseDetails(details);
  if (!entries) return { directories: null, notes: ['HomeDirectoryDetails can’t be read and is ignored'] };
  const segments = entries.map((entry) => entry.split('/').filter((segment) => segment !== ''));
  const names = [...new Set(segments.flatMap(([first]) => first ?? []))];
  const good = names.filter(isDirectoryName).slice(0, MOST_DIRECTORIES);
  const notes = [
    ...(good.length < names.length
      ? ['an Entry of HomeDirectoryDetails is no directory name and is ignored']
      : []),
    ...(segments.some(({ length }) => length > 1) ? ['only the first segment of an Entry is made'] : []),
    ...(segments.some(({ length }) => length === 0) ? ['Entry "/" becomes the configured directories'] : []),
  ];
  return { directories: good.length > 0 ? good : null, notes };
}

/** @returns each mapping's `Entry`, or undefined where the field is not what AWS documents: a list, or its JSON text */
function parseDetails(details: unknown): string[] | undefined {
  let list = details;
  try {
    if (typeof details === 'string') list = JSON.parse(details);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  return list.flatMap((mapping: unknown) =>
    typeof mapping === 'object' && mapping !== null && 'Entry' in mapping && typeof mapping.Entry === 'string'
      ? [mapping.Entry]
      : [],
  );
}
