import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chrootPathOf, decodeName, isTemporaryName } from '../../../agent/uploads/file-name.ts';

/** strnvis(3) with VIS_CSTYLE|VIS_NL|VIS_TAB|VIS_OCTAL, as OpenSSH's log.c calls it. */
function vis(bytes: Uint8Array): string {
  const named: Record<number, string> = { 10: 'n', 13: 'r', 8: 'b', 7: 'a', 11: 'v', 9: 't', 12: 'f' };
  return Array.from(bytes, (byte) => {
    if (byte === 92) return '\\\\';
    const name = named[byte];
    if (name !== undefined) return `\\${name}`;
    if (byte >= 32 && byte < 127) return String.fromCharCode(byte);
    return `\\${byte.toString(8).padStart(3, '0')}`;
  }).join('');
}

describe('decodeName', () => {
  it.each([
    ['/upload/uml\\303\\244ut', '/upload/umläut'],
    ['/upload/new\\nline', '/upload/new\nline'],
    ['/upload/back\\\\134\\\\slash', '/upload/back\\134\\slash'],
    ['/upload/bad\\377byte', '/upload/bad\\xffbyte'],
    ['a\\', 'a\\'],
  ])('%s', (rendered, name) => {
    expect(decodeName(rendered)).toBe(name);
  });
  it('gives back every name that a file can have', () => {
    const name = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0') && text.isWellFormed());
    fc.assert(
      fc.property(name, (text) => {
        expect(decodeName(vis(Buffer.from(text)))).toBe(text);
      }),
    );
  });
});

describe('chrootPathOf', () => {
  it.each([
    ['/upload/../upload/./dots.bin', '/upload/dots.bin'],
    ['rel.bin', '/in/rel.bin'],
    ['../../../etc/passwd', '/etc/passwd'],
    ['//upload//x', '/upload/x'],
    ['/upload/.hidden', '/upload/.hidden'],
    ['/upload/d/', '/upload/d'],
  ])('%s', (rendered, path) => {
    expect(chrootPathOf(rendered, '/in')).toBe(path);
  });
  it('stays in the chroot', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('..', '.', '/', 'a', '\\057', '')), (parts) => {
        const path = chrootPathOf(parts.join('/'), '/upload');
        expect(path.startsWith('/')).toBe(true);
        expect(path.split('/')).not.toContain('..');
      }),
    );
  });
});

it('knows the names that clients rename later', () => {
  const temporary = ['/u/a.part', '/u/a.FILEPART', '/u/a.tmp', '/u/.in.a'];
  const final = ['/u/a.bin', '/u/part', '/u/a.part.gz', '/u/tmp', '/u/a.in.b'];
  expect(temporary.filter(isTemporaryName)).toEqual(temporary);
  expect(final.filter(isTemporaryName)).toEqual([]);
});
