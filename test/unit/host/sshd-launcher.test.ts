import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { identify, REAL_MOUNT } from '../../../agent/mount/identity.ts';
import { parseMountinfo } from '../../../agent/mount/mountinfo.ts';

const LAUNCHER = join(import.meta.dirname, '../../../packaging/systemd/sshd-launcher');
const ROOT = '25 1 259:1 / / rw - xfs /dev/root rw';
const NFS =
  '91 25 0:45 / /home/sftp rw,noatime shared:7 - nfs4 127.0.0.1:/ rw,vers=4.2,hard,port=20123,mountport=1,addr=127.0.0.1';
const FUSE = '91 25 0:45 / /home/sftp rw,noatime - fuse passthrough,port=20123 rw,user_id=0,group_id=0';

/** What the launcher makes of a mountinfo. */
async function seenByLauncher(mountinfo: string): Promise<string> {
  const [, program = ''] =
    /seen=\$\(awk -v path="\$mount_point" '([^']+)'/.exec(await readFile(LAUNCHER, 'utf8')) ?? [];
  expect(program).not.toBe('');
  const directory = await mkdtemp(join(tmpdir(), 'launcher-'));
  try {
    await writeFile(join(directory, 'mountinfo'), mountinfo);
    const argv = ['-v', 'path=/home/sftp', program, join(directory, 'mountinfo')];
    return (await promisify(execFile)('awk', argv)).stdout.trimEnd();
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** What the agent makes of it. */
function provenByAgent(mountinfo: string, fsType: string): string | undefined {
  const name = 'fs-0123456789abcdef0.home.sftp.20123';
  const sight = identify({
    path: '/home/sftp',
    fileSystemId: 'fs-0123456789abcdef0',
    expectation: { fsType },
    entries: parseMountinfo(mountinfo),
    stateNames: [name],
    stateText: () => '{}',
  });
  return sight.kind === 'ours' ? sight.proof : undefined;
}

it.each([
  ['NFS', NFS, REAL_MOUNT.fsType],
  ['FUSE', FUSE, 'fuse'],
])('knows the mount again that the agent has proven: %s', async (_, line, fsType) => {
  const mountinfo = `${ROOT}\n${line}\n92 25 0:46 / /home/sftp2 rw - tmpfs none rw\n`;
  expect(provenByAgent(mountinfo, fsType)).toBe(`0:45 / ${fsType} 20123`);
  expect(await seenByLauncher(mountinfo)).toBe(provenByAgent(mountinfo, fsType));
});

it.each([
  ['a tmpfs over it', `${ROOT}\n${NFS}\n92 91 0:46 / /home/sftp rw - tmpfs intruder rw\n`],
  ['another tunnel', `${ROOT}\n${NFS.replace('port=20123', 'port=20124')}\n`],
  ['another file system of that kind', `${ROOT}\n${NFS.replace('0:45', '0:47')}\n`],
  ['a part of it', `${ROOT}\n${NFS.replace(' / /home', ' /acme /home')}\n`],
  ['nothing', `${ROOT}\n`],
])('takes no other for it: %s', async (_, mountinfo) => {
  expect(await seenByLauncher(mountinfo)).not.toBe(provenByAgent(`${ROOT}\n${NFS}\n`, 'nfs4'));
});
