import { readdir, readFile } from 'node:fs/promises';

/**
 * The processes that a unit has, or that it left behind when systemd gave it up, as one that hangs in the kernel: by
 * their cgroup. Reads nothing of theirs that can block: `cmdline` of a hung process can (aws/efs-utils#374).
 */
export async function processesOf(unit: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const cgroups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
      return cgroups.split('\n').some((line) => line.endsWith(`/${unit}`)) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}
