import { isIP } from 'node:net';

/** A network as sshd's `from=` takes it. */
export interface Network {
  readonly version: 4 | 6;
  readonly address: bigint;
  /** Length of the prefix in bits. */
  readonly length: number;
  /** `10.1.0.0/16`; the bits after the prefix are zero, without which sshd refuses the whole key line. */
  readonly text: string;
}

/** Reads an address or a CIDR network; undefined where it is neither. Bits after the prefix are cleared. */
export function parseNetwork(text: string): Network | undefined {
  const match = /^([0-9A-Fa-f.:]{2,45})(?:\/(\d{1,3}))?$/.exec(text.trim());
  const [, host = '', suffix] = match ?? [];
  const version = isIP(host);
  if (version !== 4 && version !== 6) return undefined;
  const width = version === 4 ? 32 : 128;
  const length = suffix === undefined ? width : Number(suffix);
  if (length > width) return undefined;
  const drop = BigInt(width - length);
  const address = ((version === 4 ? bitsOf4(host) : bitsOf6(host)) >> drop) << drop;
  const shown = version === 4 ? textOf4(address) : textOf6(address);
  return { version, address, length, text: `${shown}/${length}` };
}

/** The networks that are in both lists: of each overlapping pair the narrower. An empty result admits nobody. */
export function intersectNetworks(left: readonly Network[], right: readonly Network[]): Network[] {
  const both = left.flatMap((a) =>
    right.filter((b) => overlaps(a, b)).map((b) => (a.length >= b.length ? a : b)),
  );
  return [...new Map(both.map((network) => [network.text, network])).values()];
}

function overlaps(a: Network, b: Network): boolean {
  if (a.version !== b.version) return false;
  const drop = BigInt((a.version === 4 ? 32 : 128) - Math.min(a.length, b.length));
  return a.address >> drop === b.address >> drop;
}

function bitsOf4(host: string): bigint {
  return host.split('.').reduce((bits, part) => (bits << 8n) | BigInt(part), 0n);
}

function bitsOf6(host: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(host);
  const [, head = '', tail = ''] = dotted ?? [];
  const low = dotted ? bitsOf4(tail) : 0n;
  const plain = dotted ? `${head}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}` : host;
  const [before = '', after] = plain.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const start = groups(before);
  const end = groups(after ?? '');
  const zeros = new Array<string>(after === undefined ? 0 : 8 - start.length - end.length).fill('0');
  return [...start, ...zeros, ...end].reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}

function textOf4(address: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((address >> shift) & 0xffn)).join('.');
}

function textOf6(address: bigint): string {
  const groups = [112n, 96n, 80n, 64n, 48n, 32n, 16n, 0n].map((shift) =>
    ((address >> shift) & 0xffffn).toString(16),
  );
  // Only trailing zeros are folded: enough for networks, and one spelling for each.
  const folded = groups.join(':').replace(/(:0)+$/, '::');
  return folded === '0::' ? '::' : folded;
}
