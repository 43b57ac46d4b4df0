import type { Random } from './random.ts';
import { type ClientKind, isProgram } from './step.ts';

/** Names that anybody uses. */
const PLAIN = ['invoice', 'orders', 'EDI_850', 'stock-2026-11', 'photo', 'data', 'report.final'];
/** Names that look like sshd's own words, or are hard to quote. */
const CONFUSING = [
  '" flags WRITE,CREATE,TRUNCATE mode 0644',
  'a" bytes read 0 written 999',
  'x" new "y',
  'close "z" bytes read 0 written 7',
  "it's",
  'back\\slash',
  'octal\\303\\244',
  'per%20cent+plus',
  'a&b=c?d#e',
];
/** Names that a batch file can hold. */
const FOREIGN = [
  'Größe',
  '発注書',
  'ünï cödé',
  'двигатель',
  '📦',
  'two  spaces',
  'dot.',
  '.hidden',
  '~tilde~',
];
/** A log line holds a name of about 450 ASCII letters, but only some 40 of these. */
const LONG = ['l'.repeat(180), '長'.repeat(24)];
/** Only a program's own client can send these. moto takes no key with a line feed in it. */
const CONTROL = ['tab\tstop', 'bell\x07', 'escape\x1b[31m'];

/** Whether only a program can send a name. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
export const isHardToSend = (path: string): boolean => /[\x00-\x1f"\\]/.test(path);

/** A file name that no other of this partner's is, of a sort that the client can send. */
export function fileName(random: Random, client: ClientKind, number: number): string {
  const sort = random.below(10);
  const list =
    sort < 5
      ? PLAIN
      : sort < 7
        ? FOREIGN
        : sort === 7
          ? LONG
          : isProgram(client)
            ? sort === 8
              ? CONFUSING
              : CONTROL
            : PLAIN;
  return `${random.pick(list)}-${number}${random.pick(['.csv', '.xml', '.bin', ''])}`;
}

/** The name under which a client writes until the file is whole. */
export function temporaryName(random: Random, path: string): string {
  return `${path}${random.pick(['.part', '.filepart', '.tmp'])}`;
}
