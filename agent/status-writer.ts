import { summary } from './commands/status-text.ts';
import type { Log } from './log.ts';
import { writeFileDurable } from './os/files.ts';
import type { Notifier } from './os/notify.ts';
import { type AgentStatus, STATUS_PATH } from './status.ts';

/**
 * Leaves the agent's state where anybody finds it: the status file, each time; STATUS= and one line of the log when
 * the state or its first reason has changed.
 * @returns a function that takes the state in
 */
export function createStatusWriter(notifier: Notifier, log: Log, path: string = STATUS_PATH) {
  let shown = '';
  let logged: string | undefined;

  return async (status: AgentStatus): Promise<void> => {
    await writeFileDurable(path, JSON.stringify(status), { mode: 0o644 });
    const line = summary(status);
    if (line !== shown) {
      await notifier.status(line);
      shown = line;
    }
    const essence = [status.state, ...status.reasons].join('; ');
    if (essence === logged) return;
    logged = essence;
    const level = status.state === 'degraded' ? 'warn' : 'info';
    log[level]({ state: status.state, reasons: status.reasons }, `the agent is ${essence}`);
  };
}
