import { posix } from 'node:path';

const SIMPLE: Readonly<Record<string, number>> = {
  n: 10,
  r: 13,
  b: 8,
  a: 7,
  v: 11,
  t: 9,
  f: 12,
  s: 32,
  '0': 0,
  '\\': 92,
};

/**
 * Undoes what OpenSSH's log.c does to a file name (strnvis with VIS_CSTYLE|VIS_NL|VIS_TAB|VIS_OCTAL): a backslash
 * is doubled, a control character is `\n` and the like, any other byte outside of ASCII is `\ooo`.
 * @returns the name; bytes that are no UTF-8 become `\xhh`, since neither JSON nor an S3 key can hold them
 */
export function decodeName(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char !== '\\') {
      pushUtf8(bytes, text.codePointAt(at) ?? 0);
      if ((text.codePointAt(at) ?? 0) > 0xffff) at += 1;
      continue;
    }
    const octal = /^[0-3][0-7]{2}/.exec(text.slice(at + 1, at + 4))?.[0];
    const simple = SIMPLE[text.charAt(at + 1)];
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8));
    else bytes.push(simple ?? 92);
    if (octal !== undefined) at += 3;
    else if (simple !== undefined) at += 1;
  }
  return utf8OrEscaped(Buffer.from(bytes));
}

function pushUtf8(bytes: number[], codePoint: number): void {
  if (codePoint < 128) bytes.push(codePoint);
  else bytes.push(...Buffer.from(String.fromCodePoint(codePoint)));
}

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8OrEscaped(bytes: Buffer): string {
  try {
    return STRICT_UTF8.decode(bytes);
  } catch {
    let text = '';
    for (const byte of bytes)
      text += byte < 128 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
    return text;
  }
}

/**
 * @param rendered a path as sshd logs it: encoded, absolute in the chroot or relative to where sessions start
 * @param startDirectory absolute in the chroot
 * @returns it decoded, absolute in the chroot, without `.`, `..` and doubled slashes
 */
export function chrootPathOf(rendered: string, startDirectory: string): string {
  const name = decodeName(rendered);
  if (name.startsWith('/') && !name.includes('/.') && !name.includes('//') && !name.endsWith('/'))
    return name;
  return posix.resolve('/', startDirectory, name);
}

/** Names that clients write under before they rename: WinSCP, lftp, Cyberduck, rclone, FileZilla, many scripts. */
const TEMPORARY = /(\.(part|filepart|partial|tmp|temp|uploading|upload)|\/\.in\.[^/]+)$/i;

/** @returns whether a file of this name is likely to be renamed as soon as it is whole */
export function isTemporaryName(path: string): boolean {
  return TEMPORARY.test(path);
}
