import type { Prerequisite } from '../../bed/prerequisites.ts';

/** What the virtual machine needs of this machine besides the bed's. */
export const EMULATOR: readonly Prerequisite[] = [
  {
    what: 'qemu-system-x86_64',
    probe: ['qemu-system-x86_64', '--version'],
    apt: ['qemu-system-x86'],
    dnf: ['qemu-system-x86-core'],
  },
  { what: 'qemu-img', probe: ['qemu-img', '--version'], apt: ['qemu-utils'], dnf: ['qemu-img'] },
  { what: 'mke2fs', probe: ['mke2fs', '-V'], apt: ['e2fsprogs'], dnf: ['e2fsprogs'] },
];
