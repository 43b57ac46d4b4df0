import { FILE_SYSTEM } from '../bed/s3-files.ts';
import { clock, takeEvidence } from './take-evidence.ts';
import type { Vm } from './vm/machine.ts';

const STATE = '/run/efs';
const name = (port: number) => `${FILE_SYSTEM}.home.sftp.${port}`;

/** Things that a recovery could leave behind: how each comes about, and how the evidence must tell it. */
const PLANTED: ReadonlyArray<readonly [script: string, told: RegExp]> = [
  [
    'systemd-run --quiet --unit=s3files-sftp-planted sleep 300',
    /still there: \S*sleep 300, .* in s3files-sftp-planted/,
  ],
  ['systemd-run --quiet --unit=run-planted sleep 301', /a unit that is active: run-planted\.service/],
  [
    // A helper that hangs: a child of the mount unit's that is no tunnel. In /run nothing is run: noexec.
    'cp /bin/sleep /var/tmp/mount.s3files; setsid sh -c "echo \\$\\$ > /sys/fs/cgroup/system.slice/home-sftp.mount/cgroup.procs; exec /var/tmp/mount.s3files 302" >/dev/null 2>&1 &',
    /still there: \/var\/tmp\/mount\.s3files 302, .* in home-sftp\.mount/,
  ],
  [
    'cp /bin/sleep /var/tmp/efs-proxy; setsid /var/tmp/efs-proxy 303 >/dev/null 2>&1 &',
    /a proxy without a state file/,
  ],
  [`touch ${STATE}/~${name(20801)}`, /a state file of an attempt: .*20801/],
  [`touch ${STATE}/stunnel-config.${name(20802)}`, /of no state file: .*20802/],
  [
    `echo '{"pid": 0, "files": [], "mountpoint": "/home/sftp"}' > ${STATE}/${name(20803)}`,
    /1 state files without a mount, after 0 attempts/,
  ],
];

/**
 * Leaves on a healthy host what a recovery could leave, and asks for it: a search that finds nothing of this would pass
 * every cell. Ends on the host as it was.
 * @throws Error for what is not found, and for what is found where nothing was left
 */
export async function provePlantedIsFound(vm: Vm): Promise<void> {
  const { left } = await takeEvidence(vm, await clock(vm));
  if (left.length > 0) throw new Error(`a healthy host is told to have left behind: ${left.join('; ')}`);
  const since = await clock(vm);
  for (const [script] of PLANTED) await vm.run(['sh', '-c', script]);
  const found = (await takeEvidence(vm, since)).left;
  const missed = PLANTED.filter(([, told]) => !found.some((each) => told.test(each)));
  if (missed.length > 0) {
    throw new Error(
      `left behind, and not found: ${missed.map(([, told]) => told).join(', ')}\n${found.join('\n')}`,
    );
  }
  await vm.load('idle');
}
