import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Edges } from '../os/edges.ts';
import type { Argv } from '../os/exec.ts';
import { endingOf, execOk } from '../os/exec-ok.ts';
import { ensureDirectory, readFileIfExists, writeFileDurable, writeFileIfChanged } from '../os/files.ts';
import { showUnit, startUnit } from '../os/systemd.ts';
import { transientArgv } from '../os/transient.ts';
import { LOG_SOCKET, LOG_SOCKET_UNIT, PROBE_CHROOT, SSHD_UNIT } from './paths.ts';

/** The names that sshd-launcher accepts, too. */
const USER = /^[A-Za-z_][A-Za-z0-9_-]{0,30}$/;
const DEADLINE_SECONDS = 10;

/** The log socket in each chroot: internal-sftp logs from inside it. */
export interface ChrootLogs {
  /** Writes the list that the sshd's next start binds, and binds what a running sshd lacks. @throws OperationError */
  set(users: readonly string[], mountPath: string): Promise<void>;
  /** Binds what a running sshd lacks of the list. @throws OperationError */
  bindMissing(mountPath: string): Promise<void>;
  /** Links the socket anew where journald replaced it. @returns whether it had to @throws OperationError */
  refresh(): Promise<boolean>;
  /** Starts the socket of the journal namespace, where somebody stopped it. @throws OperationError */
  arrange(): Promise<void>;
}

export function createChrootLogs(runtime: string, { exec, log }: Pick<Edges, 'exec' | 'log'>): ChrootLogs {
  const list = join(runtime, 'chroots');
  const directory = join(runtime, 'dev');
  const link = join(directory, 'log');
  const table = join(runtime, 'new-chroots.fstab');

  /** All in one process, in the sshd's own namespace, where the mount follows no links. */
  const bind = async (pid: string, places: readonly string[]) => {
    const line = (place: string) => `${directory} ${place} none bind,nofail 0 0\n`;
    const argv: Argv = [
      'nsenter',
      ...[`--target=${pid}`, '--mount', '--'],
      ...['mount', '--no-canonicalize', '--all', '--fstab', table],
    ];
    const timeoutMs = (DEADLINE_SECONDS + 3) * 1000;
    // A file: standard input is a socket here, which can't be opened by its name.
    await writeFileDurable(table, places.map(line).join(''), { mode: 0o644 });
    const result = await exec(transientArgv(argv, DEADLINE_SECONDS), { timeoutMs });
    if (result.outcome === 'exited' && result.code === 0) return;
    // Such a partner's uploads would not be counted; everybody else's are.
    log.warn(
      { places: places.slice(0, 20), ending: endingOf(result) },
      'not every chroot has its log socket',
    );
  };

  const bindMissing = async (mountPath: string) => {
    const { ActiveState, MainPID } = await showUnit(exec, SSHD_UNIT, ['ActiveState', 'MainPID']);
    if (ActiveState !== 'active' || !/^[1-9]\d*$/.test(MainPID)) return;
    const listed = ((await readFileIfExists(list)) ?? '').split('\n').filter((name) => USER.test(name));
    const bound = await mountPoints(MainPID);
    const probe = join(runtime, PROBE_CHROOT, 'dev');
    // An sshd that an earlier release started has no chroot for the probe.
    await ensureDirectory(probe);
    const wanted = [probe, ...listed.map((user) => `${mountPath}/${user}/dev`)];
    const missing = wanted.filter((place) => !bound.has(place));
    if (missing.length > 0) await bind(MainPID, missing);
  };

  return {
    set: async (users, mountPath) => {
      const valid = [...new Set(users)].filter((user) => USER.test(user)).sort();
      await writeFileIfChanged(list, valid.map((user) => `${user}\n`).join(''), { mode: 0o644 });
      await bindMissing(mountPath);
    },
    bindMissing,
    refresh: async () => {
      const [socket, linked] = await Promise.all([inodeOf(LOG_SOCKET), inodeOf(link)]);
      // Without a socket or a link, no sshd runs that needs them: its start makes both.
      if (socket === undefined || linked === undefined || socket === linked) return false;
      // Not from the agent's sandbox: to link(2), its writable paths are other mounts than /run.
      await execOk(exec, transientArgv(['ln', '--force', '--', LOG_SOCKET, link], DEADLINE_SECONDS), {
        timeoutMs: (DEADLINE_SECONDS + 3) * 1000,
      });
      return true;
    },
    arrange: async () => await startUnit(exec, LOG_SOCKET_UNIT, (DEADLINE_SECONDS + 3) * 1000),
  };
}

/** Where anything is mounted in the namespace of a process, by its mountinfo; the paths looked for need no unescaping. */
async function mountPoints(pid: string): Promise<Set<string>> {
  const text = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
  return new Set(text.split('\n').map((line) => line.split(' ')[4] ?? ''));
}

async function inodeOf(path: string): Promise<number | undefined> {
  return await stat(path).then(
    ({ ino }) => ino,
    () => undefined,
  );
}
