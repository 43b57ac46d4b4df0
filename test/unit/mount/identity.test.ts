import { describe, expect, it } from 'vitest';
import { type Evidence, identify, REAL_MOUNT } from '../../../agent/mount/identity.ts';
import { parseMountinfo } from '../../../agent/mount/mountinfo.ts';

const ROOT = '25 1 259:1 / / rw - xfs /dev/root rw';
const NFS =
  '91 25 0:45 / /home/sftp rw,noatime - nfs4 127.0.0.1:/ rw,vers=4.2,hard,port=20123,addr=127.0.0.1';
const NAME = 'fs-0123456789abcdef0.home.sftp.20123';
const STATE = JSON.stringify({ pid: 4711, fsId: 'fs-0123456789abcdef0', mountpoint: '/home/sftp' });

const see = (line: string, over: Partial<Evidence> = {}) =>
  identify({
    path: '/home/sftp',
    fileSystemId: 'fs-0123456789abcdef0',
    expectation: REAL_MOUNT,
    entries: parseMountinfo(`${ROOT}\n${line}`),
    stateNames: [NAME],
    stateText: (name) => (name === NAME ? STATE : undefined),
    ...over,
  });

describe('identify', () => {
  it('knows the configured file system by its port’s state file', () => {
    expect(see(NFS)).toEqual({
      kind: 'ours',
      mountId: 91,
      depth: 1,
      readOnly: false,
      port: 20123,
      proxyPid: 4711,
      proof: '0:45 / nfs4 20123',
    });
  });

  it('sees that nothing is mounted', () => {
    expect(see('')).toEqual({ kind: 'absent' });
  });

  it('sees a read-only mount, by either kind of option', () => {
    expect(see(NFS.replace(' rw,noatime', ' ro,noatime'))).toMatchObject({ kind: 'ours', readOnly: true });
    expect(see(NFS.replace(' rw,vers', ' ro,vers'))).toMatchObject({ kind: 'ours', readOnly: true });
  });

  it.each([
    ['another type', NFS.replace('nfs4', 'ext4'), {}, /of type ext4/],
    ['an NFS server that is not the tunnel', NFS.replace('127.0.0.1:/', '10.0.0.9:/'), {}, /10\.0\.0\.9/],
    ['a mount without a port', NFS.replace(',port=20123', ''), {}, /tunnel/],
    ['no state file', NFS, { stateNames: [] }, /no state file/],
    ['a state file that is gone', NFS, { stateText: () => undefined }, /no state file/],
    ['another file system', NFS, { fileSystemId: 'fs-0fedcba9876543210' }, /fs-0123456789abcdef0 is mounted/],
    [
      'a port in the source of a real mount',
      NFS.replace(',port=20123', '').replace(':/ ', ':/,port=20123 '),
      {},
      /tunnel/,
    ],
  ] as const)('never takes %s for the configured one', (_, line, over, detail) => {
    expect(see(line, over)).toMatchObject({ kind: 'foreign', detail: expect.stringMatching(detail) });
  });

  it('takes the port from the source where a stand-in’s type is expected', () => {
    const fuse = '91 25 0:45 / /home/sftp rw - fuse /srv/x,port=20123 rw,user_id=0';
    expect(see(fuse, { expectation: { fsType: 'fuse' } })).toMatchObject({ kind: 'ours', port: 20123 });
    expect(see(NFS, { expectation: { fsType: 'fuse' } })).toMatchObject({ kind: 'foreign' });
  });
});
