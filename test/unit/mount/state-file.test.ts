import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStateFile, stateFileName } from '../../../agent/mount/state-file.ts';

const NAME = 'fs-0123456789abcdef0.home.sftp.20123';
const STATE = { pid: 4711, fsId: 'fs-0123456789abcdef0', mountpoint: '/home/sftp', service_type: 's3files' };
const parse = (state: unknown, name = NAME) => parseStateFile(name, JSON.stringify(state), '/home/sftp');

describe('stateFileName', () => {
  it('picks the file of this mount point and port among all that the helper keeps', () => {
    const names = [
      `~${NAME}`,
      `stunnel-config.${NAME}`,
      `${NAME}+`,
      'fs-0123456789abcdef0.home.sftp.20124',
      'fs-0123456789abcdef0.home.20123',
      'fs-0123456789abcdef0.srv.home.sftp.20123',
      NAME,
    ];
    expect(stateFileName(names, '/home/sftp', 20123)).toBe(NAME);
    expect(stateFileName(names, '/home/sftp', 20125)).toBeUndefined();
  });

  it('takes two that claim one port for no proof', () => {
    const names = [NAME, 'fs-0fedcba9876543210.home.sftp.20123'];
    expect(stateFileName(names, '/home/sftp', 20123)).toBeUndefined();
  });
});

describe('parseStateFile', () => {
  it('reads the file system and the tunnel’s process', () => {
    expect(parse(STATE)).toMatchObject({
      fileSystemId: 'fs-0123456789abcdef0',
      port: 20123,
      proxyPid: 4711,
    });
  });

  it('refuses content that contradicts the name', () => {
    expect(parse({ ...STATE, fsId: 'fs-0fedcba9876543210' })).toBeUndefined();
    expect(parse({ ...STATE, mountpoint: '/srv/other' })).toBeUndefined();
  });

  it.each([0, 1, -5, 1.5, '4711', null, 2 ** 40])('takes no %j for a process', (pid) => {
    expect(parse({ ...STATE, pid })).toMatchObject({ proxyPid: undefined });
  });

  it('refuses what is no JSON object, and never throws', () => {
    expect(parseStateFile(NAME, '{"pid": 1', '/home/sftp')).toBeUndefined();
    expect(parse([])).toMatchObject({ proxyPid: undefined });
    expect(parse(null)).toBeUndefined();
    expect(parseStateFile('fs-zz', '{}', '/home/sftp')).toBeUndefined();
    const anything = fc.oneof(fc.string(), fc.json());
    fc.assert(fc.property(anything, (text) => void parseStateFile(NAME, text, '/home/sftp')));
  });

  it('is not fooled by inherited names', () => {
    expect(parseStateFile(NAME, '{"__proto__": {"pid": 4711}}', '/home/sftp')).toMatchObject({
      proxyPid: undefined,
    });
  });
});
