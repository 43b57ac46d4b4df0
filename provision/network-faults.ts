import { BlockList, isIPv4 } from 'node:net';

/** Networks that no partner reaches over the internet (https://www.iana.org/assignments/iana-ipv4-special-registry/). */
const UNREACHABLE = new BlockList();
for (const [network, length] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['224.0.0.0', 3],
] as const) {
  UNREACHABLE.addSubnet(network, length, 'ipv4');
}

/** @returns what is wrong with the address of an Elastic IP, if anything */
export function addressFault(address: string): string | undefined {
  if (!isIPv4(address)) return 'must be its IPv4 address';
  return UNREACHABLE.check(address, 'ipv4')
    ? 'is not a public address; give the Elastic IP’s own (PublicIp in: aws ec2 describe-addresses)'
    : undefined;
}

/**
 * @returns what is wrong with an IPv4 network, if anything. EC2 clears host bits by itself, so 10.0.0.0/0 would silently
 *   be everybody
 */
export function cidrFault(cidr: string): string | undefined {
  const [, address = '', length = ''] = /^([\d.]+)\/(0|[1-9]\d?)$/.exec(cidr) ?? [];
  if (!isIPv4(address) || Number(length) > 32) {
    return 'must be an IPv4 network such as "203.0.113.0/24" (the address is IPv4)';
  }
  const network = networkOf(address, Number(length));
  if (network === address) return undefined;
  const means = `${network}/${length}`;
  return Number(length) === 0
    ? `would be ${means}, open to the world; write the network’s length, such as "${address}/24"`
    : `has host bits set; write "${means}" for the network, or "${address}/32" for one address`;
}

function networkOf(address: string, length: number): string {
  const bits = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const size = 2 ** (32 - length);
  const network = Math.floor(bits / size) * size;
  return [24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256).join('.');
}

/** @returns whether it is a host's name: labels of at most 63 letters, digits and inner hyphens (RFC 1123) */
export function isHostName(name: string): boolean {
  return (
    name.length <= 253 &&
    name.split('.').every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(label))
  );
}
