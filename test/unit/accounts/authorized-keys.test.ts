import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderAuthorizedKeys } from '../../../agent/accounts/authorized-keys.ts';
import { settleEntry } from '../../../agent/accounts/secret-document.ts';
import { parseSecret } from '../../../agent/accounts/secret-parse.ts';
import { ed25519Line } from './keys.ts';

const NOW = Date.UTC(2026, 0, 1);
const KEY = ed25519Line();
const render = (value: unknown) => {
  const [entry] = parseSecret({ secret: 'alice', versionId: '1', text: JSON.stringify(value) }).entries;
  const partner = entry && settleEntry(entry, new Set()).partner;
  return partner ? renderAuthorizedKeys(partner, NOW).split('\n').slice(1, -1) : [];
};
const bare = KEY.split(' ').slice(0, 2).join(' ');

describe('renderAuthorizedKeys', () => {
  it('restricts every key', () => expect(render({ publicKeys: [KEY] })).toEqual([`restrict ${bare}`]));

  it('takes the earlier end and the networks that user and key share', () => {
    const value = {
      publicKeys: [{ key: KEY, expires: '2027-06-01T10:00:00Z', from: ['10.1.0.0/16', '192.0.2.0/24'] }],
      expires: '2027-01-01',
      allowedNetworks: ['10.0.0.0/8'],
    };
    expect(render(value)).toEqual([`restrict,from="10.1.0.0/16",expiry-time="20270101000000" ${bare}`]);
  });

  it('leaves out what has expired or is disabled', () => {
    expect(render({ publicKeys: [{ key: KEY, expires: '2026-01-01' }] })).toEqual([]);
    expect(render({ publicKeys: [KEY], expires: '2025-12-31' })).toEqual([]);
    expect(render({ publicKeys: [KEY], enabled: false })).toEqual([]);
  });

  it('writes nothing but its own options, whatever a secret holds', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        KEY,
        `${KEY}\n${KEY}`,
        `command="x" ${KEY}`,
        '10.0.0.0/8',
        '10.0.0.0/8",command="x',
        '2027-01-01',
      ),
    );
    const key = fc.oneof(
      hostile,
      fc.record(
        { key: hostile, from: fc.array(hostile, { maxLength: 2 }), expires: hostile },
        { requiredKeys: ['key'] },
      ),
    );
    const secret = fc.record(
      { publicKeys: fc.array(key), allowedNetworks: fc.array(hostile), expires: hostile },
      { requiredKeys: ['publicKeys'] },
    );
    fc.assert(
      fc.property(secret, (value) => {
        for (const line of render(value)) {
          expect(line).toMatch(
            /^restrict(,from="[0-9a-f.:/,]+")?(,expiry-time="\d{14}")? [a-z0-9@.-]+ [A-Za-z0-9+/]+=*$/,
          );
        }
      }),
    );
  });
});
