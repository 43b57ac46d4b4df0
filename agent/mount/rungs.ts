import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperationError } from '../operation-error.ts';
import type { Argv, Exec, ExecResult } from '../os/exec.ts';
import { endingOf, execOk } from '../os/exec-ok.ts';
import { isUnitActive } from '../os/systemd.ts';
import { transientArgv } from '../os/transient.ts';
import { HELPER_WATCHDOG, lastTurn } from './helper-watchdog.ts';
import type { Sight } from './identity.ts';
import { RUNG_DEADLINE_MS, type Rung } from './remedy.ts';
import { STATE_DIRECTORY } from './state-file.ts';
import { processesOf } from './unit-processes.ts';

const PROXY_NAME = 'efs-proxy';

/**
 * The helper's watchdog looks after its mounts every second. One that has not done so for this long is frozen, or waits
 * up to 30 s for its own `df` on the hung mount: it would not start a new tunnel before the wait for it is over.
 */
const TURNS_WITHIN_MS = 8_000;

/**
 * Whether ending the tunnel's process would soon bring a new one: it is really the tunnel, and the helper's watchdog
 * runs, and turns.
 * @param sight its process is from the state file; the number may be another's by now
 */
export async function canRestartProxy(
  { exec, now }: { readonly exec: Exec; readonly now: () => number },
  path: string,
  sight: Sight,
  stateDirectory: string = STATE_DIRECTORY,
): Promise<boolean> {
  if (sight.kind !== 'ours' || sight.proxyPid === undefined || !(await isProxy(sight.proxyPid))) return false;
  if (!(await isUnitActive(exec, HELPER_WATCHDOG).catch(() => false))) return false;
  const turnedAt = await lastTurn(stateDirectory, path, sight.port);
  return turnedAt !== undefined && now() - turnedAt < TURNS_WITHIN_MS;
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
 * Takes the top mount at `path` away, in the host's mount namespace. A umount of a hung mount detaches it at once, and
 * then waits for a server that does not answer: it is done when the mount is gone, and what is left of the command ends
 * at its deadline by itself.
 * @param mountId of that mount: a umount that hangs in one that is gone must not keep the next from being taken away
 * @param isGone whether that mount is no longer there
 * @throws OperationError where it failed, and the mount is still there
 */
export async function unmount(
  exec: Exec,
  rung: Rung,
  { path, mountId, isGone }: { path: string; mountId: number; isGone: () => Promise<boolean> },
): Promise<void> {
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
  const command = exec(transient, { timeoutMs: deadlineMs + 3_000 });
  let result: ExecResult | undefined;
  do result = await Promise.race([command, sleep(POLL_MS, undefined)]);
  while (result === undefined && !(await isGone()));
  if (result === undefined || (result.outcome === 'exited' && result.code === 0) || (await isGone())) return;
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
