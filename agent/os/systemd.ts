import type { Exec, ExecOptions } from './exec.ts';
import { execOk } from './exec-ok.ts';

/** PID 1 answers in milliseconds; one that does not for this long is in trouble itself. */
const ANSWER_MS = 5_000;
/** Reading the unit files of a whole host again. */
const RELOAD_MS = 20_000;

/**
 * Reads properties of a unit, as `systemctl show` prints them. A unit that does not exist has `LoadState=not-found`.
 * @throws OperationError when PID 1 does not answer
 */
export async function showUnit<Name extends string>(
  exec: Exec,
  unit: string,
  properties: readonly Name[],
): Promise<Readonly<Record<Name, string>>> {
  const text = await execOk(exec, ['systemctl', 'show', `--property=${properties.join(',')}`, '--', unit], {
    timeoutMs: ANSWER_MS,
  });
  const values = Object.fromEntries(properties.map((name) => [name, ''])) as Record<Name, string>;
  for (const line of text.split('\n')) {
    const equals = line.indexOf('=');
    const name = properties.find((property) => property === line.slice(0, Math.max(equals, 0)));
    if (name !== undefined) values[name] = line.slice(equals + 1);
  }
  return values;
}

/** Whether a unit is up, by PID 1's word. @throws OperationError when PID 1 does not answer */
export async function isUnitActive(exec: Exec, unit: string): Promise<boolean> {
  const { ActiveState } = await showUnit(exec, unit, ['ActiveState']);
  return ActiveState === 'active' || ActiveState === 'reloading';
}

/**
 * Starts a unit and waits until it is up.
 * @param timeoutMs the wait ends then, and the job goes on
 * @throws OperationError
 */
export async function startUnit(exec: Exec, unit: string, timeoutMs: number): Promise<void> {
  await systemctl(exec, ['start', '--', unit], { timeoutMs });
}

/** Queues a start and does not wait for it: mounting may take minutes. @throws OperationError when it is refused */
export async function queueStart(exec: Exec, unit: string): Promise<void> {
  await systemctl(exec, ['start', '--no-block', '--', unit], { timeoutMs: ANSWER_MS });
}

/** Stops a unit and waits until its processes are gone, or given up. @throws OperationError */
export async function stopUnit(exec: Exec, unit: string, timeoutMs: number): Promise<void> {
  await systemctl(exec, ['stop', '--', unit], { timeoutMs });
}

/**
 * Kills processes of a unit, and leaves it to systemd what becomes of it. @throws OperationError
 * @param whom its main process only, or all that it has
 */
export async function killUnit(exec: Exec, unit: string, whom: 'main' | 'all'): Promise<void> {
  await systemctl(exec, ['kill', `--kill-who=${whom}`, '--signal=SIGKILL', '--', unit], {
    timeoutMs: ANSWER_MS,
  });
}

/** Makes a running unit read its configuration again; its sessions live on. @throws OperationError */
export async function reloadUnit(exec: Exec, unit: string, timeoutMs: number): Promise<void> {
  await systemctl(exec, ['reload', '--', unit], { timeoutMs });
}

/** Makes PID 1 read the unit files again. @throws OperationError */
export async function daemonReload(exec: Exec): Promise<void> {
  await systemctl(exec, ['daemon-reload'], { timeoutMs: RELOAD_MS });
}

async function systemctl(exec: Exec, args: readonly string[], options: ExecOptions): Promise<void> {
  await execOk(exec, ['systemctl', '--quiet', '--no-ask-password', ...args], options);
}
