import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { intersectNetworks, parseNetwork } from '../../../agent/accounts/network.ts';

const textOf = (text: string) => parseNetwork(text)?.text;
const network = (text: string) => {
  const parsed = parseNetwork(text);
  if (!parsed) throw new Error(`${text} is no network`);
  return parsed;
};

describe('parseNetwork', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7/32'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    [' 192.168.1.0/24 ', '192.168.1.0/24'],
    ['2001:db8::1', '2001:db8:0:0:0:0:0:1/128'],
    ['2001:DB8:1::ff/48', '2001:db8:1::/48'],
    ['::/0', '::/0'],
    ['::1', '0:0:0:0:0:0:0:1/128'],
    ['::ffff:192.0.2.1', '0:0:0:0:0:ffff:c000:201/128'],
  ])('reads %s as %s', (text, canonical) => expect(textOf(text)).toBe(canonical));

  it.each([
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    '2001:db8::/129',
    '!10.0.0.0/8',
    '10.0.0.*',
    'fe80::1%eth0',
    '10.0.0.0/8"',
    '1/8',
    '10.0.0.0/-1',
    'example.com',
  ])('refuses %j', (text) => expect(textOf(text)).toBeUndefined());

  it('gives what an address parser takes, and the same again when read again', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (host, length) => {
        const parsed = parseNetwork(`${host}/${isIP(host) === 4 ? length % 33 : length}`);
        expect(isIP(parsed?.text.split('/')[0] ?? '')).toBe(isIP(host));
        expect(parseNetwork(parsed?.text ?? '')).toEqual(parsed);
      }),
    );
  });
});

describe('intersectNetworks', () => {
  it('keeps the narrower of two that overlap', () => {
    const both = intersectNetworks(
      [network('10.0.0.0/8'), network('2001:db8::/32')],
      [network('10.2.0.0/16'), network('192.0.2.0/24')],
    );
    expect(both.map(({ text }) => text)).toEqual(['10.2.0.0/16']);
  });
  it('is empty where none overlap, even at the same numbers of two families', () => {
    expect(intersectNetworks([network('0.0.0.0/0')], [network('::/0')])).toEqual([]);
  });
});
