import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperationError } from '../operation-error.ts';
import type { Argv, Exec } from '../os/exec.ts';
import { endingOf, execOk } from '../os/exec-ok.ts';
import { isUnitActive } from '../os/systemd.ts';
import { transientArgv } from '../os/transient.ts';
import { HELPER_WATCHDOG } from './helper-watchdog.ts';
import { RUNG_DEADLINE_MS, type Rung } from './remedy.ts';
import { processesOf } from './unit-processes.ts';

const PROXY_NAME = 'efs-proxy';

/**
 * Whether ending the tunnel's process would bring a new one: it is really the tunnel, and the helper's watchdog runs.
 * @param pid from the state file; the number may be another process's by now
 */
export async function canRestartProxy(exec: Exec, pid: number | undefined): Promise<boolean> {
  if (pid === undefined || !(await isProxy(pid))) return false;
  return await isUnitActive(exec, HELPER_WATCHDOG).catch(() => false);
}

/** `comm` never blocks; `cmdline` of a hung process can (aws/efs-utils#374). */
async function isProxy(pid: number): Promise<boolean> {
  const comm = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
  return comm.trimEnd() === PROXY_NAME;
}

/** A tunnel that is stuck or stopped does not take SIGTERM; the helper's own watchdog uses SIGKILL. */
const POLITE_MS = 1_000;
const POLL_MS = 50;

/** Ends the tunnel's process; files that are open on the mount survive it. @throws OperationError where it is gone */
export async function endProxy(exec: Exec, pid: number): Promise<void> {
  if (!(await isProxy(pid))) throw new OperationError({ op: 'end', target: `${PROXY_NAME} ${pid}` }, 'gone');
  await execOk(exec, ['kill', '-TERM', '--', String(pid)], { timeoutMs: 2_000 });
  for (let waited = 0; waited < POLITE_MS; waited += POLL_MS) {
    await sleep(POLL_MS);
    if (!(await isProxy(pid))) return;
  }
  await execOk(exec, ['kill', '-KILL', '--', String(pid)], { timeoutMs: 2_000 });
}

/** -c: look at nothing on the mount; -i: the kernel's umount, since umount.nfs4 turns -f into a mere detach. */
const UNMOUNT: Partial<Record<Rung, readonly string[]>> = {
  unmount: ['-c', '-i'],
  'unmount-force': ['-c', '-i', '-f'],
  'unmount-force-again': ['-c', '-i', '-f'],
  'unmount-lazy': ['-c', '-i', '-f', '-l'],
};

/**
 * Takes the top mount at `path` away, in the host's mount namespace.
 * @param mountId of that mount: a umount that hangs in one that is gone must not keep the next from being taken away
 * @throws OperationError
 */
export async function unmount(exec: Exec, rung: Rung, path: string, mountId: number): Promise<void> {
  const flags = UNMOUNT[rung];
  if (flags === undefined) throw new RangeError(`${rung} does not unmount`);
  const deadlineMs = RUNG_DEADLINE_MS[rung];
  const argv: Argv = ['umount', ...flags, '--', path];
  // One that hangs in spite of SIGKILL must not be joined by another on each attempt.
  const unit = `s3files-sftp-rung-${rung}-${mountId}.service`;
  const stuck = await processesOf(unit);
  if (stuck.length > 0) {
    const cause = `the last one is stuck: process ${stuck.join(', ')}`;
    throw new OperationError({ op: 'run', target: argv.join(' ') }, cause);
  }
  const transient = transientArgv(argv, deadlineMs / 1000, unit);
  const result = await exec(transient, { timeoutMs: deadlineMs + 3_000 });
  if (result.outcome === 'exited' && result.code === 0) return;
  throw new OperationError({ op: 'run', target: argv.join(' ') }, endingOf(result));
}

/** `/proc/123/cwd /home/sftp/acme` */
const HOLDER = /^\/proc\/(\d+)\//;

/**
 * Kills whoever has a file or directory below `path` open: a process that is killed only after its dead mount was
 * detached stays in the kernel for good, and blocks the host's shutdown. The links of /proc are read, never followed,
 * so nothing here touches the mount.
 * @returns the processes that were killed
 * @throws OperationError
 */
export async function endHolders(exec: Exec, path: string): Promise<number[]> {
  const deadlineMs = RUNG_DEADLINE_MS['end-holders'];
  const argv: Argv = [
    'find',
    ...['/proc', '-mindepth', '2', '-maxdepth', '3', '-path', '/proc/[0-9]*'],
    ...['(', '-name', 'cwd', '-o', '-name', 'root', '-o', '-path', '/proc/*/fd/*', ')'],
    ...['(', '-lname', path, '-o', '-lname', `${path}/*`, ')', '-printf', '%p\\n'],
  ];
  // Processes come and go while it looks, so its exit status says nothing.
  const result = await exec(transientArgv(argv, deadlineMs / 1000), { timeoutMs: deadlineMs });
  const text = result.outcome === 'unstartable' ? '' : result.stdout;
  const pids = new Set(text.split('\n').map((line) => Number(HOLDER.exec(line)?.[1])));
  const victims = [...pids].filter((pid) => Number.isInteger(pid) && pid > 1 && pid !== process.pid);
  if (victims.length > 0) {
    await exec(['kill', '-KILL', '--', ...victims.map(String)], { timeoutMs: 2_000 });
  }
  return victims;
}
