/** The account files of passwd(5), group(5) and shadow(5), parsed. Lines that are malformed are skipped. */

export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly gecos: string;
  readonly home: string;
  readonly shell: string;
}

export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** What the password field lets in: `*` keys only, `!…` nothing at all under UsePAM no; a hash is never kept. */
export type PasswordState = 'keys-only' | 'locked' | 'other';

export interface ShadowEntry {
  readonly name: string;
  readonly password: PasswordState;
  /** Whether the account has an expiry date (usermod -e). */
  readonly hasExpiry: boolean;
}

export function parsePasswd(text: string): PasswdEntry[] {
  return rows(text, 7).flatMap(([name = '', , uid, gid, gecos = '', home = '', shell = '']) => {
    const entry = { name, uid: number(uid), gid: number(gid), gecos, home, shell };
    return Number.isNaN(entry.uid) || Number.isNaN(entry.gid) ? [] : [entry];
  });
}

export function parseGroup(text: string): GroupEntry[] {
  return rows(text, 4).flatMap(([name = '', , gid, members = '']) =>
    Number.isNaN(number(gid))
      ? []
      : [{ name, gid: number(gid), members: members.split(',').filter(Boolean) }],
  );
}

export function parseShadow(text: string): ShadowEntry[] {
  return rows(text, 2).map(([name = '', password = '', , , , , , expiry = '']) => ({
    name,
    password: passwordState(password),
    hasExpiry: expiry !== '',
  }));
}

function passwordState(field: string): PasswordState {
  if (field === '*') return 'keys-only';
  return field.startsWith('!') ? 'locked' : 'other';
}

function rows(text: string, least: number): string[][] {
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= least && fields[0] !== '');
}

function number(text: string | undefined): number {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
}
