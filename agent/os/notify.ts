import notify from 'systemd-notify';
import { OperationError } from '../operation-error.ts';
import type { Exec } from './exec.ts';
import { execOk } from './exec-ok.ts';

/** systemd-notify(1) waits for PID 1 to have read the message; a watchdog's period is three times this. */
const DEADLINE_MS = 10_000;

/** What the agent tells systemd about itself (sd_notify(3)). Each call does nothing where no systemd started it. */
export interface Notifier {
  /** The configuration is valid and the loops run. @throws OperationError */
  ready(status: string): Promise<void>;
  /** The line that `systemctl status` shows. @throws OperationError */
  status(text: string): Promise<void>;
  /** From here on, systemd expects the end. @throws OperationError */
  stopping(): Promise<void>;
  /** Feeds the watchdog. @throws OperationError */
  watchdog(): Promise<void>;
}

/**
 * @param environment the agent's own, of which NOTIFY_SOCKET is read; children get a clean one otherwise
 */
export function createNotifier(
  exec: Exec,
  environment: Readonly<Record<string, string | undefined>>,
): Notifier {
  const socket = environment.NOTIFY_SOCKET;
  if (socket === undefined || socket === '') {
    const nothing = async () => {};
    return { ready: nothing, status: nothing, stopping: nothing, watchdog: nothing };
  }
  // The package has no call for these two; it runs this same program for the others.
  const raw = async (message: string) => {
    const argv = ['systemd-notify', `--pid=${process.pid}`, message] as const;
    await execOk(exec, argv, { timeoutMs: DEADLINE_MS, env: { NOTIFY_SOCKET: socket } });
  };
  return {
    ready: (status) => told('tell systemd', 'READY=1', notify({ ready: true, status: oneLine(status) })),
    status: (text) => told('tell systemd', 'STATUS=', notify({ status: oneLine(text) })),
    stopping: () => raw('STOPPING=1'),
    watchdog: () => raw('WATCHDOG=1'),
  };
}

/** The package rejects with bare text, and waits for ever on a child that does not end. */
async function told(op: string, target: string, pending: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${DEADLINE_MS / 1000} s`)), DEADLINE_MS);
  });
  try {
    await Promise.race([pending, late]);
  } catch (cause) {
    throw new OperationError({ op, target }, cause);
  } finally {
    clearTimeout(timer);
  }
}

/** A message of sd_notify's ends at a line break, and what follows would be read as another assignment. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, 500);
}
