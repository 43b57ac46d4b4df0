import { copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cached } from '../../bed/cache.ts';
import { commandOk } from '../../bed/command.ts';
import { rootFileSystem } from '../../bed/root.ts';

const GUEST = join(import.meta.dirname, '../guest');

/** What the virtual machine needs besides a container's packages: a kernel, an NFS server and client, a packet filter. */
const PACKAGES = [
  ...['linux-image-cloud-amd64', 'initramfs-tools', 'kmod', 'udev', 'zstd'],
  ...['nfs-common', 'nfs-ganesha', 'nfs-ganesha-vfs', 'nftables', 'lsof', 'netbase'],
];

/** The address that QEMU's user network gives a guest, and the way out of it: the loopback of the bed's network. */
export const OUTSIDE_ADDRESS = '10.0.2.2';
const NETWORK = `[Match]
Name=eth0

[Network]
Address=10.0.2.15/24
Gateway=${OUTSIDE_ADDRESS}
LinkLocalAddressing=no
IPv6AcceptRA=no
`;

/** Mounts that a disk other than the root has; `nofail`: a look at the image alone boots, too. */
const FSTAB = `LABEL=root / ext4 rw,noatime 0 1
LABEL=repository /srv/repository ext4 ro,nofail 0 2
`;

/** A disk image and how to boot it. */
export interface Image {
  /** A raw ext4 file system, never written to. */
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** Builds the virtual machine's disk once: the bed's kind of host with a kernel and an NFS server. */
export async function vmImage(): Promise<Image> {
  if (process.arch !== 'x64')
    throw new Error('the virtual machine is an x86-64 one: run this on such a machine');
  const root = await rootFileSystem({ name: 'vm-root', packages: PACKAGES, finish: finishRoot });
  const names = (await readdir(GUEST)).sort();
  const texts = await Promise.all(names.map(async (name) => await readFile(join(GUEST, name), 'utf8')));
  const directory = await cached({
    name: 'vm-image',
    ingredients: [root, await readFile(import.meta.filename, 'utf8'), ...names, ...texts],
    announcement: 'building the disk of the virtual machine; it typically takes half a minute',
    build: async (unfinished) => {
      const copy = join(unfinished, 'root');
      await commandOk(['cp', '-a', '--reflink=auto', root, copy], { timeoutMs: 300_000 });
      await installGuest(copy, names);
      await commandOk(
        ['mke2fs', '-q', '-t', 'ext4', '-L', 'root', '-d', copy, join(unfinished, 'disk.raw'), '6G'],
        {
          timeoutMs: 300_000,
        },
      );
      for (const part of ['vmlinuz', 'initrd.img']) {
        await commandOk(['cp', '-L', join(copy, part), join(unfinished, part)]);
      }
      await commandOk(['rm', '-rf', copy], { timeoutMs: 120_000 });
    },
  });
  return {
    disk: join(directory, 'disk.raw'),
    kernel: join(directory, 'vmlinuz'),
    initrd: join(directory, 'initrd.img'),
  };
}

/** What a virtual machine has to do and a container not: a network of its own, and no services of Debian's NFS. */
async function finishRoot(root: string): Promise<void> {
  await commandOk(['systemctl', `--root=${root}`, 'enable', 'systemd-networkd.service']);
  await commandOk([
    ...(['systemctl', `--root=${root}`, 'mask', 'systemd-networkd-wait-online.service'] as const),
    ...[
      'nfs-ganesha.service',
      'nfs-ganesha-lock.service',
      'rpcbind.service',
      'rpcbind.socket',
      'nfs-client.target',
    ],
    ...[
      'rpc-statd.service',
      'nfs-blkmap.service',
      'nfs-idmapd.service',
      'nfs-server.service',
      'serial-getty@.service',
    ],
    ...[
      'getty@.service',
      'systemd-timesyncd.service',
      'fstrim.timer',
      'dpkg-db-backup.timer',
      'e2scrub_all.timer',
    ],
    ...['man-db.timer', 'apt-daily-upgrade.timer', 'logrotate.timer', 'systemd-tmpfiles-clean.timer'],
  ]);
}

/** Copies the programs of guest/ to /usr/lib/bed, and makes their units start. */
async function installGuest(root: string, names: readonly string[]): Promise<void> {
  const put = async (path: string, content: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  };
  await put('etc/systemd/network/eth0.network', NETWORK);
  await put('etc/fstab', FSTAB);
  await mkdir(join(root, 'srv/repository'), { recursive: true });
  await mkdir(join(root, 'usr/lib/bed'), { recursive: true });
  await mkdir(join(root, 'etc/systemd/system/multi-user.target.wants'), { recursive: true });
  for (const name of names) {
    if (!name.endsWith('.service')) {
      await copyFile(join(GUEST, name), join(root, 'usr/lib/bed', name));
      continue;
    }
    await copyFile(join(GUEST, name), join(root, 'etc/systemd/system', name));
    await symlink(`../${name}`, join(root, 'etc/systemd/system/multi-user.target.wants', name));
  }
}
