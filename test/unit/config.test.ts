import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigError, parseConfig } from '../../agent/config.ts';

const LEAST = `
[mount]
file_system_id = "fs-0123456789abcdef0"
[uploads]
bucket = "acme-uploads"
`;

/** The faults of a configuration, as an operator reads them. */
function faultsOf(toml: string): string[] {
  try {
    parseConfig(toml);
  } catch (cause) {
    if (cause instanceof ConfigError) return cause.faults.map(({ key, fault }) => `${key} ${fault}`);
    throw cause;
  }
  return [];
}

describe('parseConfig', () => {
  it('fills in every default', () => {
    const config = parseConfig(LEAST);
    expect(config.users).toMatchObject({ poll_seconds: 60, uid_min: 200_000, directories: ['upload'] });
    expect(config.sshd.port).toBe(2222);
    expect(config.mount.path).toBe('/home/sftp');
  });

  it('freezes the result deeply', () => {
    const config = parseConfig(LEAST);
    expect(Object.isFrozen(config.users.directories)).toBe(true);
  });

  it.each([
    ['an unknown key', `${LEAST}\nbuckt = "x"`, /^uploads\.buckt is not a key .* bucket, prefix/],
    ['an unknown section', `${LEAST}\n[user]\n`, /^user is not a key .* users/],
    [
      'a wrong type',
      `${LEAST}\n[users]\npoll_seconds = "60"`,
      /^users\.poll_seconds \("60"\) must be a number of seconds/,
    ],
    ['an impossible value', `${LEAST}\n[sshd]\nport = 70000`, /^sshd\.port \(70000\) must be at most 65535/],
    ['a missing required key', '[mount]\n[uploads]\nbucket = "acme"', /^mount\.file_system_id is missing/],
    ['a broken document', 'a = [', /^line 1, column \d+: .*/],
    [
      'uids the wrong way round',
      `${LEAST}\n[users]\nuid_min = 300000\nuid_max = 200000`,
      /^users\.uid_max \(200000\)/,
    ],
    [
      'the mount over a system directory',
      LEAST.replace('[mount]', '[mount]\npath = "/etc"'),
      /^mount\.path \("\/etc"\)/,
    ],
    ['the mount over home', LEAST.replace('[mount]', '[mount]\npath = "/home"'), /^mount\.path/],
    ['a mount path with dots', LEAST.replace('[mount]', '[mount]\npath = "/home/../etc"'), /^mount\.path/],
    [
      'soft mounts',
      LEAST.replace('[mount]', '[mount]\noptions = ["soft"]'),
      /^mount\.options must not hold "soft"/,
    ],
    [
      'a fixed tunnel port',
      LEAST.replace('[mount]', '[mount]\noptions = ["tlsport=20100"]'),
      /tlsport=20100/,
    ],
    ['a directory that climbs out', `${LEAST}\n[users]\ndirectories = ["../x"]`, /^users\.directories\.0/],
    ['a directory that is an option', `${LEAST}\n[users]\ndirectories = ["-rf"]`, /^users\.directories\.0/],
    ['a directory with a newline', `${LEAST}\n[users]\ndirectories = ["a\\nb"]`, /^users\.directories\.0/],
    ['the directory of the log socket', `${LEAST}\n[users]\ndirectories = ["dev"]`, /must not name "dev"/],
    [
      'a deadline before the export',
      `${LEAST}\ndelivery_deadline_seconds = 60`,
      /^uploads\.delivery_deadline_seconds \(60\)/,
    ],
    [
      'an option in place of an address',
      `${LEAST}\n[sshd]\nlisten = ["-oPort=22"]`,
      /^sshd\.listen\.0 .* IP address/,
    ],
  ])('refuses %s, naming the key and the fix', (_, toml, expected) => {
    const faults = faultsOf(toml);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(expected);
  });

  it('reports every fault of a file at once', () => {
    expect(faultsOf('[mount]\npath = 3\n[users]\npoll_seconds = 0\n')).toHaveLength(4);
  });
});

describe('the packaged configuration', () => {
  const packaged = readFileSync(new URL('../../packaging/rpm/config.toml', import.meta.url), 'utf8');
  const filledIn = packaged
    .replace('file_system_id = ""', 'file_system_id = "fs-0123456789abcdef0"')
    .replace('bucket = ""', 'bucket = "acme-uploads"');

  it('is refused until the two required values are filled in', () => {
    expect(faultsOf(packaged).map((fault) => fault.split(' ')[0])).toEqual([
      'mount.file_system_id',
      'uploads.bucket',
    ]);
  });

  it('shows every key with its true default', () => {
    const uncommented = filledIn.replace(/^#(?=[a-z_]+ =)/gm, '');
    const { aws, ...shown } = parseConfig(uncommented.replace(/^host_keys_secret = .*$/m, ''));
    const { aws: _, ...defaults } = parseConfig(filledIn);
    expect(shown).toEqual(defaults);
    expect(aws).toHaveProperty('region');
    const sections = Object.values(defaults).filter((section) => typeof section === 'object');
    for (const key of sections.flatMap((section) => Object.keys(section)))
      expect(packaged).toMatch(new RegExp(`^#?${key} =`, 'm'));
  });
});
