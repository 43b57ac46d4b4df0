import { describe, expect, it } from 'vitest';
import { renderAuthorizedKeys } from '../../../agent/accounts/authorized-keys.ts';
import { settleEntry } from '../../../agent/accounts/secret-document.ts';
import { parseSecret } from '../../../agent/accounts/secret-parse.ts';
import { ed25519Line, fingerprintOf } from './keys.ts';

const KEY = ed25519Line();
const OTHER = ed25519Line();
const parse = (value: unknown, secret = 's3files-sftp/users/alice') =>
  parseSecret({ secret, versionId: 'v1', text: typeof value === 'string' ? value : JSON.stringify(value) });
const partnerOf = (value: unknown, secret?: string) => parse(value, secret).entries[0]?.partner;
const problemsOf = (value: unknown) => {
  const { problems, entries } = parse(value);
  return [...problems, ...entries.flatMap((entry) => entry.problems)].join();
};

describe('a native secret', () => {
  it('is a user named by the last segment of its name', () => {
    const value = {
      publicKeys: [KEY, { key: OTHER, expires: '2027-01-31T12:00:00+01:00', from: ['203.0.113.9/24'] }],
      uid: 210_000,
      expires: '2028-01-01',
      allowedNetworks: ['203.0.113.0/24', '2001:db8::/32'],
      directories: ['in', 'out box'],
    };
    expect(partnerOf(value)).toMatchObject({
      name: 'alice',
      secret: 's3files-sftp/users/alice',
      uid: 210_000,
      enabled: true,
      expires: Date.UTC(2028, 0, 1),
      networks: ['203.0.113.0/24', '2001:db8::/32'],
      directories: ['in', 'out box'],
      keys: [
        { fingerprint: fingerprintOf(KEY), expires: null, from: null },
        { fingerprint: fingerprintOf(OTHER), expires: Date.UTC(2027, 0, 31, 11), from: ['203.0.113.0/24'] },
      ],
    });
  });

  it.each([
    [{ publicKeys: [KEY], expire: '2027-01-01' }, 'none of'],
    [{ publicKeys: KEY }, '"publicKeys"'],
    [{ publicKeys: [KEY], uid: '210000' }, '"uid"'],
    [{ publicKeys: [KEY], uid: 2 ** 31 }, '"uid"'],
    [{ publicKeys: [KEY], enabled: 'no' }, '"enabled"'],
    [{ publicKeys: [KEY], expires: '2027-02-31' }, '"expires"'],
    [{ publicKeys: [KEY], expires: 1_800_000_000 }, '"expires"'],
    [{ publicKeys: [KEY], expires: '2027-01-01T00:00' }, '"expires"'],
    [{ publicKeys: [KEY], allowedNetworks: [] }, '"allowedNetworks"'],
    [{ publicKeys: [KEY], allowedNetworks: ['10.0.0.0/8', 'x",command="sh'] }, 'entry 2'],
    [{ publicKeys: [KEY], directories: ['../etc'] }, '"directories"'],
    [{ publicKeys: [KEY], directories: ['a/b'] }, '"directories"'],
    [{ publicKeys: [KEY], directories: ['dev'] }, '"directories"'],
    [{ publicKeys: [KEY], directories: ['in', 'in'] }, '"directories"'],
    [{ publicKeys: new Array(51).fill(KEY) }, 'at most 50'],
    [{}, '"publicKeys"'],
  ])('that says %j is no user, and the reason names the field', (value, reason) => {
    expect(partnerOf(value)).toBeNull();
    expect(problemsOf(value)).toContain(reason);
  });

  it.each(['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59-14:00'])(
    'that expires at %s does so in the last second that expiry-time= can say',
    (expires) => {
      const partner = partnerOf({ publicKeys: [{ key: KEY, expires }] });
      expect(partner && renderAuthorizedKeys(partner, 0)).toContain('expiry-time="99991231235959" ');
    },
  );

  it('that says a field twice, in whichever spelling, is no user', () => {
    const native = `{"enabled": false, "publicKeys": ["${KEY}"], "en\\u0061bled": true}`;
    expect(parse(native).entries).toMatchObject([{ partner: null, problems: ['has a field twice'] }]);
    const key = `{"publicKeys": [{"key": "${KEY}", "from": ["192.0.2.1"], "from": ["0.0.0.0/0"]}]}`;
    expect(partnerOf(key)).toBeNull();
    const transfer = `{"PublicKey": "${KEY}", "AcceptedIpNetwork": "192.0.2.1", "AcceptedIpNetwork": ""}`;
    expect(partnerOf(transfer)).toBeNull();
    const strings = { publicKeys: [{ key: KEY }, { key: `${OTHER} "key": {"key": [` }] };
    expect(partnerOf(strings)?.keys).toHaveLength(2);
  });

  it('keeps the good keys beside a bad one', () => {
    const value = {
      publicKeys: ['nonsense', KEY, KEY, { key: OTHER, from: ['x'] }, { key: OTHER, options: 'x' }, 7],
    };
    expect(partnerOf(value)?.keys.map(({ fingerprint }) => fingerprint)).toEqual([fingerprintOf(KEY)]);
    expect(parse(value).entries[0]).toMatchObject({ refused: 5 });
  });
});

describe('a secret that can’t be read', () => {
  it.each([
    ['{"publicKeys": [', 'is not JSON'],
    ['[]', 'must be a JSON object'],
    ['7', 'must be a JSON object'],
    ['null', 'must be a JSON object'],
    [`${'['.repeat(60_000)}`, 'is not JSON'],
    [`{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 'nested deeper'],
    [`{"users":{"bob":${'['.repeat(31)}${']'.repeat(31)}}}`, 'nested deeper'],
    [`{"a":${'['.repeat(31)}${']'.repeat(31)}}`, 'none of'],
    [`"${'x'.repeat(70_000)}"`, 'longer than'],
    ['{"users":[]}', 'must be an object'],
    ['{"users":{},"publicKeys":[]}', 'nothing beside'],
  ])('%.30s: proves nobody’s absence', (text, reason) => {
    const document = parse(text);
    expect(problemsOf(text)).toContain(reason);
    expect(document.entries.some(({ partner }) => partner !== null)).toBe(false);
    if (document.form === 'unreadable') expect(document.whole).toBe(false);
  });

  it('costs no more for fields that are there twice, however deep they are', () => {
    const deep = `${'{"a":'.repeat(5_200)}{${'"b":1,'.repeat(5_600)}"c":1}${'}'.repeat(5_200)}`;
    const wide = `{"users":{${'"b":1,'.repeat(10_000)}"c":1}}`;
    const before = process.cpuUsage();
    for (const text of [deep, wide]) expect(parse(text).entries.every(({ partner }) => !partner)).toBe(true);
    const { user } = process.cpuUsage(before);
    expect(user / 1e6).toBeLessThan(1);
  });

  it('never has its text in a message', () => {
    for (const text of [
      '{"hunter2',
      '{"hunter2": 1}',
      '{"publicKeys":["hunter2"]}',
      '{"uid":"hunter2"}',
      '"hunter2"',
    ]) {
      expect(JSON.stringify(parse(text).entries) + parse(text).problems).not.toContain('hunter2');
    }
  });
});

describe('what shuts an account', () => {
  const OFF = { enabled: false, expires: null };
  const ENDS = { enabled: true, expires: Date.UTC(2020, 0, 1) };
  const both = (first: string, second: string) => `{"publicKeys":["${KEY}"],${first},${second}}`;
  it.each<[unknown, unknown]>([
    [{ enabled: false }, OFF],
    [{ enabled: false, publicKeys: ['revoked'] }, OFF],
    [{ enabled: false, publicKeys: [KEY], comment: 'off' }, OFF],
    [{ enabled: 'false', publicKeys: [KEY] }, OFF],
    [{ expires: '2020-01-01', publicKeys: ['x'] }, ENDS],
    [{ expires: '2020-01-01', uid: 'x', publicKeys: [KEY] }, ENDS],
    [
      { enabled: false, expires: '2020-01-01' },
      { ...ENDS, enabled: false },
    ],
    [both('"enabled":false', '"enabled":true'), OFF],
    [both('"enabled":true', '"en\\u0061bled":false'), OFF],
    [both('"expires":"2020-01-01"', '"expires":"2999-01-01"'), ENDS],
    [both('"enabled":false', '"uid":1,"uid":2'), OFF],
    [`{"enabled":false,"a":${'['.repeat(40)}${']'.repeat(40)}}`, OFF],
    [{ PublicKey: 'x', enabled: false }, OFF],
    [{ PublicKey: KEY, enabled: false, AcceptedIpNetworks: '192.0.2.1' }, OFF],
    [{ enabled: true }, undefined],
    [{ enabled: 'no', publicKeys: [KEY] }, undefined],
    [{ expires: 'tomorrow', publicKeys: [KEY] }, undefined],
    [{ publicKeys: ['"enabled": false'] }, undefined],
    [{ publicKeys: [{ enabled: false }] }, undefined],
    [{ publicKeys: { enabled: false } }, undefined],
  ])('counts whatever else is wrong: %j', (value, closing) => {
    const [entry] = parse(value).entries;
    if (!entry) throw new Error('no entry');
    const settled = settleEntry(entry, new Set());
    expect([settled.user, settled.partner, settled.closing]).toEqual(['alice', null, closing]);
  });

  it('counts in a bundle for its own user, also where the bundle can’t be read or says something twice', () => {
    const users = `"alice":{"enabled":false,"x":1},"bob":{"publicKeys":["${KEY}"]}`;
    const shut = (text: string) =>
      parse(text).entries.flatMap(({ user, closing }) => (closing ? [[user, closing]] : []));
    expect(shut(`{"users":{${users}}}`)).toEqual([['alice', OFF]]);
    expect(shut(`{"users":{${users},"alice":{"publicKeys":["${KEY}"]}}}`)).toEqual([['alice', OFF]]);
    expect(shut(`{"users":{${users}},"comment":"x"}`)).toEqual([['alice', OFF]]);
    expect(shut(`{"users":{${users}},"users":{}}`)).toEqual([['alice', OFF]]);
    expect(shut(`{"users":{"alice":{"a":{"enabled":false}},"enabled":false},"enabled":false}`)).toEqual([]);
  });

  it('counts in Transfer Family’s form too', () => {
    expect(partnerOf({ PublicKey: KEY, enabled: false, expires: '2020-01-01' })).toMatchObject({
      enabled: false,
      expires: Date.UTC(2020, 0, 1),
    });
  });
});

describe('a bundle', () => {
  it('holds users in either form, each judged alone', () => {
    const users = {
      alice: { publicKeys: [KEY] },
      bob: { PublicKey: OTHER },
      'a.b': { publicKeys: [KEY] },
      carol: 5,
    };
    const document = parse({ users }, 's3files-sftp/users/all');
    expect(document).toMatchObject({ form: 'bundle', whole: true });
    expect(document.entries.map(({ user, partner }) => [user, partner !== null])).toEqual([
      ['alice', true],
      ['bob', true],
      ['a.b', false],
      ['carol', false],
    ]);
  });
});

describe('a bundle that says something twice', () => {
  const user = `{"publicKeys": ["${KEY}"]}`;
  it('leaves those users as they are, and no others', () => {
    const text = `{"users": {"alice": ${user}, "bob": ${user}, "alice": {"publicKeys": []},
      "carol": {"publicKeys": ["${KEY}"], "uid": 210000, "uid": 210001}}}`;
    const document = parse(text);
    expect(document).toMatchObject({ form: 'bundle', whole: true });
    expect(document.entries.map(({ user, partner, problems }) => [user, partner !== null, problems])).toEqual(
      [
        ['alice', false, ['is named twice in the bundle']],
        ['bob', true, []],
        ['carol', false, ['has a field twice']],
      ],
    );
  });

  it('is unreadable as a whole where it is the users', () => {
    const document = parse(`{"users": {"alice": ${user}}, "users": {"bob": ${user}}}`);
    expect(document).toMatchObject({ form: 'unreadable', whole: false, problems: ['names "users" twice'] });
  });
});

describe('a Transfer Family secret', () => {
  it('is read as it is, in both naming schemes', () => {
    const value = {
      Password: 'hunter2',
      Role: 'arn:aws:iam::123456789012:role/r',
      PublicKey: `${KEY},${OTHER}`,
      AcceptedIpNetwork: '192.0.2.0/24, 198.51.100.7',
      HomeDirectoryDetails: '[{"Entry":"/in","Target":"/b/alice/in"},{"Entry":"/out/deep","Target":"/b/x"}]',
    };
    for (const secret of ['aws/transfer/s-123/alice', 'SFTP/alice']) {
      const document = parse(value, secret);
      expect(document.form).toBe('transfer-family');
      expect(document.entries[0]?.partner).toMatchObject({
        name: 'alice',
        networks: ['192.0.2.0/24', '198.51.100.7/32'],
        directories: ['in', 'out'],
        keys: [{ fingerprint: fingerprintOf(KEY) }, { fingerprint: fingerprintOf(OTHER) }],
      });
      expect(document.notes).toEqual([
        '"alice": Password, Role of Transfer Family are ignored',
        '"alice": only the first segment of an Entry is made',
      ]);
      expect(JSON.stringify(document)).not.toContain('hunter2');
    }
  });

  it('lets the protocol’s own field win', () => {
    const value = {
      PublicKey: KEY,
      SFTPPublicKey: OTHER,
      AcceptedIpNetwork: '10.0.0.0/8',
      SFTPAcceptedIpNetwork: '192.0.2.0/24',
    };
    expect(partnerOf(value)).toMatchObject({
      networks: ['192.0.2.0/24'],
      keys: [{ fingerprint: fingerprintOf(OTHER) }],
    });
  });

  it('never loses a network limit to a spelling or a mistake', () => {
    for (const limit of [
      { AcceptedIpNetworks: '10.0.0.0/8' },
      { AcceptedIpNetworkList: 'x' },
      { AcceptedIpNetwork: '10.0.0.0/40' },
    ]) {
      expect(partnerOf({ PublicKey: KEY, ...limit })).toBeNull();
    }
    expect(partnerOf({ PublicKey: KEY, AcceptedIpNetwork: '' })).toMatchObject({ networks: null });
  });

  it('with a password alone has no key, and says so', () => {
    expect(partnerOf({ Password: 'x' })?.keys).toEqual([]);
    expect(problemsOf({ Password: 'x' })).toContain('keys only');
  });
});

describe('settleEntry', () => {
  const entryOf = (value: unknown) => {
    const [entry] = parse(value).entries;
    if (!entry) throw new Error('no entry');
    return entry;
  };
  it('drops a key that ssh-keygen refuses, or that no network could use', () => {
    const entry = entryOf({
      publicKeys: [KEY, { key: OTHER, from: ['192.0.2.0/24'] }],
      allowedNetworks: ['10.0.0.0/8'],
    });
    expect(settleEntry(entry, new Set())).toMatchObject({
      refused: 1,
      partner: { keys: [{ fingerprint: fingerprintOf(KEY) }] },
    });
    expect(settleEntry(entry, new Set([fingerprintOf(KEY)])).partner).toBeNull();
  });
  it('tells a list without keys from one of which none is left', () => {
    expect(settleEntry(entryOf({ publicKeys: [] }), new Set()).partner?.keys).toEqual([]);
    expect(settleEntry(entryOf({ publicKeys: ['nonsense'] }), new Set()).partner).toBeNull();
  });
});
