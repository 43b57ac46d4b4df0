/** The part of ssh2 that reads keys; its index would load a whole client and server (7 MB resident). */
declare module 'ssh2/lib/protocol/keyParser.js' {
  import type { ParsedKey } from 'ssh2';
  export function parseKey(data: string): ParsedKey | ParsedKey[] | Error;
}
