import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mountDepth, parseMountinfo, visibleMount } from '../../../agent/mount/mountinfo.ts';

const ROOT = '25 1 259:1 / / rw,noatime shared:1 - xfs /dev/root rw,attr2';
/** As a host with amazon-efs-utils 3.x shows it. */
const NFS =
  '91 25 0:45 / /home/sftp rw,noatime shared:40 - nfs4 127.0.0.1:/ rw,vers=4.2,rsize=1048576,wsize=1048576,namlen=255,hard,noresvport,proto=tcp,port=20123,timeo=600,retrans=2,sec=sys,clientaddr=127.0.0.1,local_lock=none,addr=127.0.0.1';

const at = (path: string, ...lines: string[]) => visibleMount(parseMountinfo(lines.join('\n')), path);

describe('parseMountinfo', () => {
  it('reads a line of the helper’s mount', () => {
    const [entry] = parseMountinfo(`${NFS}\n`);
    expect(entry).toMatchObject({
      id: 91,
      parent: 25,
      path: '/home/sftp',
      options: ['rw', 'noatime'],
      fsType: 'nfs4',
      source: '127.0.0.1:/',
    });
    expect(entry?.superOptions).toContain('port=20123');
  });

  it('reads octal escapes, also those of names in UTF-8', () => {
    const line = '30 25 0:9 / /mnt/a\\040b\\134c\\011é rw - tmpfs no\\012ne rw';
    expect(parseMountinfo(line)).toMatchObject([{ path: '/mnt/a b\\c\té', source: 'no\nne' }]);
  });

  it('finds the fields after any number of optional ones', () => {
    expect(parseMountinfo('30 25 0:9 / /x rw - tmpfs none rw')).toMatchObject([{ fsType: 'tmpfs' }]);
    expect(parseMountinfo('30 25 0:9 / /x rw shared:1 master:2 unbindable - tmpfs none rw')).toMatchObject([
      { fsType: 'tmpfs' },
    ]);
  });

  it('leaves out what has not its form, and never throws', () => {
    expect(parseMountinfo('\nx y z\n30 25 0:9 / relative rw - tmpfs none rw\n30 25 0:9 / /x rw\n')).toEqual(
      [],
    );
    fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseMountinfo(text))));
  });
});

describe('visibleMount', () => {
  const over = (id: number, parent: number, path: string, type = 'tmpfs') =>
    `${id} ${parent} 0:${id} / ${path} rw - ${type} none rw`;

  it('finds the mount at the path, and none when the path is on another one', () => {
    expect(at('/home/sftp', ROOT, NFS)?.id).toBe(91);
    expect(at('/home/sftp', ROOT)).toBeUndefined();
    expect(at('/home/sftp', ROOT, over(92, 25, '/home'))).toBeUndefined();
    expect(at('/home/sftp', ROOT, over(92, 25, '/home/sftp2'))).toBeUndefined();
  });

  it('finds the top one of stacked mounts, wherever its line is', () => {
    expect(at('/home/sftp', ROOT, NFS, over(92, 91, '/home/sftp'))?.id).toBe(92);
    expect(at('/home/sftp', over(92, 91, '/home/sftp'), NFS, ROOT)?.id).toBe(92);
    expect(mountDepth(parseMountinfo([ROOT, NFS, over(92, 91, '/home/sftp')].join('\n')), '/home/sftp')).toBe(
      2,
    );
  });

  it('sees that a mount further up hides it', () => {
    expect(at('/home/sftp', ROOT, NFS, over(93, 25, '/home'))).toBeUndefined();
    expect(at('/home/sftp', ROOT, over(93, 25, '/home'), over(94, 93, '/home/sftp'))?.id).toBe(94);
  });

  it('ends on a mountinfo whose parents run in a circle', () => {
    expect(at('/a/b', over(1, 2, '/'), over(2, 1, '/a'), over(3, 2, '/a/b'))).toBeUndefined();
    expect(at('/a', over(1, 1, '/'), over(2, 1, '/a'))?.id).toBe(2);
  });
});
