import { describe, expect, it } from 'vitest';
import { FAULTS } from '../../system/faults.ts';
import { wasRefused } from '../../system/injection.ts';

const busy = { code: 32, stderr: 'umount: /home/sftp: target is busy.\n' };

describe('a fault’s script that fails', () => {
  it('is the kernel’s refusal where partners use the mount', () => {
    expect(wasRefused(FAULTS.umount, 'upload', busy)).toBe(true);
    expect(wasRefused(FAULTS.umount, 'upload', { code: 0, stderr: '' })).toBe(false);
  });

  it('is no refusal for any other reason: the cell was not played', () => {
    const other = { code: 1, stderr: 'umount: /home/sftp: not mounted.\n' };
    expect(() => wasRefused(FAULTS.umount, 'upload', other)).toThrow(/not mounted/);
    expect(() => wasRefused(FAULTS.umount, 'upload', { code: 137, stderr: '' })).toThrow(/exit 137/);
  });

  it('is no refusal where nobody uses the mount', () => {
    expect(() => wasRefused(FAULTS.umount, 'idle', busy)).toThrow(/though nobody uses the mount/);
  });

  it('is no refusal of a fault that the kernel has no word in', () => {
    expect(() => wasRefused(FAULTS['umount-lazy'], 'upload', busy)).toThrow(/could not break it/);
  });
});
