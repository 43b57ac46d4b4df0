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

/** Names that clients write under before they rename: WinSCP, lftp, Cyberduck, rclone, FileZilla, many scripts. */
const TEMPORARY = /(\.(part|filepart|partial|tmp|temp|uploading|upload)|\/\.in\.[^/]+)$/i;
const TEMPORARY_END = /\.(part|filepart|partial|tmp|temp|uploading|upload)$/i;

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
 * The beginning of a name whose end sshd cut off: without the part of an escape, or of a letter, that it ends with.
 * @param rendered encoded; stays encoded
 */
export function wholeLetters(rendered: string): string {
  let text = rendered.replace(/(^|[^\\])((?:\\\\)*)\\[0-3]?[0-7]?$/, '$1$2');
  // A letter outside of ASCII is two to four escapes, of which the first says how many (RFC 3629, section 3).
  for (let back = 1; back <= 3; back += 1) {
    const octal = /^\\([0-3][0-7]{2})/.exec(text.slice(-4 * back))?.[1];
    const byte = octal === undefined ? 0 : Number.parseInt(octal, 8);
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    if (length > back) text = text.slice(0, -4 * back);
    break;
  }
  return text;
}

/**
 * The final name that a temporary one stands for, as long as a cut line shows nothing else.
 * @param from the temporary name, encoded @param beginning of the final name, encoded
 * @returns it, encoded, or undefined where the two have nothing to do with each other
 */
export function finalNameOf(from: string, beginning: string): string | undefined {
  const final = from.replace(TEMPORARY_END, '');
  return final !== from && final.startsWith(beginning) ? final : undefined;
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

/** @returns whether a file of this name is likely to be renamed as soon as it is whole */
export function isTemporaryName(path: string): boolean {
  return TEMPORARY.test(path);
}
