import { chown, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Aws } from './aws.ts';
import { until } from './command.ts';
import type { Machine } from './machine.ts';
import type { Outside } from './outside.ts';

/** The file system and the bucket behind it that every bed has. */
export const FILE_SYSTEM = 'fs-0123456789abcdef0';
export const BUCKET = 'sftp-uploads';
/** The real one waits for 60 s. */
const QUIET_MS = 2_000;

/** How mount.s3files can fail; see stand-in/mount.s3files for what each one says. */
export type MountFault =
  | 'dns'
  | 'wrong-type'
  | 'az'
  | 'region'
  | 'credentials'
  | 'describe-mount-targets'
  | 'mount-target-ip'
  | 'options'
  | 'ports'
  | 'proxy-binary'
  | 'network'
  | 'silent'
  | 'hang'
  | 'hang-mounting'
  | 'botocore'
  | 'proxy-death'
  | 'denied'
  | 'security-group'
  | 'already-mounted';

/** The stand-in for S3 Files, from behind: what is in the file system without going through the mount. */
export interface S3Files {
  readonly id: string;
  readonly bucket: string;
  /** The backing directory on this machine, which the host has as /srv/s3files/ID. */
  readonly directory: string;
  /** Resolves once everything is exported. */
  exported(options?: { timeoutMs?: number }): Promise<void>;
  pauseExport(): Promise<void>;
  resumeExport(): Promise<void>;
  setQuietMs(quietMs: number): Promise<void>;
  /** These files never get exported, and say why in their xattr, as the real ones do. Paths below the root. */
  failExport(paths: readonly string[], exportError: string): Promise<void>;
  /** Puts that failed, as text; they are tried again. */
  exportFailures(): Promise<readonly string[]>;
  /** The next mount fails like this, so many times or until cleared with undefined. */
  faultMount(fault: MountFault | undefined, times?: number): Promise<void>;
  /** Takes the helper away: mount(8) says `unknown filesystem type 's3files'`. */
  hideHelper(hidden: boolean): Promise<void>;
  /** A file as if it came from the bucket, in directories made for it; owned by root unless said. */
  plantFile(path: string, content: string, uid?: number): Promise<void>;
  /** A symbolic link as someone who can write the bucket could plant it; replaces what is there. */
  plantLink(path: string, target: string): Promise<void>;
  plantOwner(path: string, uid: number, gid: number): Promise<void>;
  read(path: string): Promise<Buffer>;
  list(path: string): Promise<readonly string[]>;
}

export async function createS3Files(
  directory: string,
  parts: { machine: Machine; outside: Outside; aws: Aws },
): Promise<S3Files> {
  const { machine, outside, aws } = parts;
  await aws.createBucket(BUCKET);
  await outside.call('startExporter', FILE_SYSTEM, {
    directory,
    bucket: BUCKET,
    prefix: '',
    quietMs: QUIET_MS,
  });
  const inHost = (path: string) => join('/srv/s3files', FILE_SYSTEM, path);
  const make = async (path: string) => {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    return join(directory, path);
  };
  const withheld = new Set<string>();

  return {
    id: FILE_SYSTEM,
    bucket: BUCKET,
    directory,
    exported: async ({ timeoutMs = 60_000 } = {}) => {
      await until(
        'everything to be exported',
        async () => await outside.call<boolean>('isQuiet', FILE_SYSTEM),
        {
          timeoutMs,
        },
      );
    },
    pauseExport: async () => await outside.call('pauseExporter', FILE_SYSTEM, true),
    resumeExport: async () => await outside.call('pauseExporter', FILE_SYSTEM, false),
    setQuietMs: async (quietMs) => await outside.call('setQuietMs', FILE_SYSTEM, quietMs),
    failExport: async (paths, exportError) => {
      for (const path of paths) withheld.add(path);
      await outside.call('withhold', FILE_SYSTEM, [...withheld]);
      for (const path of paths) {
        const name = `user.s3files.status;${Math.floor(Date.now() / 1000)}`;
        const value = JSON.stringify({ S3Key: path, ExportError: exportError, FilePath: `/${path}` });
        const { code, stderr } = await machine.exec(['setfattr', '-n', name, '-v', value, inHost(path)]);
        if (code !== 0) throw new Error(`setfattr ${path}: ${stderr}`);
      }
    },
    exportFailures: async () => await outside.call('exportFailures', FILE_SYSTEM),
    faultMount: async (fault, times) => {
      const script =
        fault === undefined
          ? 'rm -f /run/bed/mount-fault'
          : `mkdir -p /run/bed && echo ${fault} ${times ?? ''} > /run/bed/mount-fault`;
      await machine.exec(['sh', '-c', script]);
    },
    hideHelper: async (hidden) => {
      const names = ['/usr/sbin/mount.s3files', '/usr/sbin/mount.s3files.hidden'];
      const [from = '', to = ''] = hidden ? names : names.toReversed();
      await machine.exec(['mv', '-T', from, to]);
    },
    plantFile: async (path, content, uid = 0) => {
      const file = await make(path);
      await writeFile(file, content);
      await chown(file, uid, uid);
    },
    plantLink: async (path, target) => {
      const link = await make(path);
      await rm(link, { recursive: true, force: true });
      await symlink(target, link);
    },
    plantOwner: async (path, uid, gid) => await chown(join(directory, path), uid, gid),
    read: async (path) => await readFile(join(directory, path)),
    list: async (path) => await readdir(join(directory, path)),
  };
}
