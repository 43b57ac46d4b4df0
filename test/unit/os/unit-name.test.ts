import { describe, expect, it } from 'vitest';
import { exec } from '../../../agent/os/exec.ts';
import { mountUnitName } from '../../../agent/os/unit-name.ts';

describe('mountUnitName', () => {
  it.each([
    ['/home/sftp', 'home-sftp.mount'],
    ['/', '-.mount'],
    ['/srv/a-b', 'srv-a\\x2db.mount'],
    ['/.hidden/.also', '\\x2ehidden-.also.mount'],
    ['/data/é', 'data-\\xc3\\xa9.mount'],
    ['//home//sftp/', 'home-sftp.mount'],
  ])('%s is %s', (path, name) => {
    expect(mountUnitName(path)).toBe(name);
  });

  it('agrees with systemd-escape', async ({ skip }) => {
    const paths = ['/home/sftp', '/srv/a-b', '/x.y/z_1', '/.hidden', '/mnt/S3 files'];
    const result = await exec(['systemd-escape', '--path', '--suffix=mount', '--', ...paths]);
    if (result.outcome === 'unstartable') return skip('systemd-escape is not installed');
    expect(result).toMatchObject({ code: 0, stdout: `${paths.map(mountUnitName).join(' ')}\n` });
  });
});
