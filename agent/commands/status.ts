import { setTimeout as sleep } from 'node:timers/promises';
import { OperationError } from '../operation-error.ts';
import { readFileIfExists } from '../os/files.ts';
import { type AgentStatus, STATUS_PATH } from '../status.ts';
import type { Output } from './output.ts';
import { render, STALE_MS, summary } from './status-text.ts';

export interface StatusOptions {
  readonly json: boolean;
  /** Wait until the agent is in this state. */
  readonly wait?: 'healthy';
  /** How long to wait, in seconds. */
  readonly timeoutSeconds: number;
}

const POLL_MS = 250;

/**
 * `s3files-sftp status`: the agent's state from the file it leaves, so that anybody may look and it works while the
 * agent is dead.
 * @returns the exit status: 0 healthy, 1 not healthy, 3 not running (as systemctl status does)
 */
export async function status(options: StatusOptions, output: Output): Promise<number> {
  const deadline = Date.now() + options.timeoutSeconds * 1000;
  let seen = await readStatus();
  while (options.wait !== undefined && exitOf(seen) !== 0 && Date.now() < deadline) {
    output.progress(
      `waiting for ${options.wait}: ${seen === undefined ? 'the agent has not started' : summary(seen)}`,
    );
    await sleep(POLL_MS);
    seen = await readStatus();
  }
  if (options.json) output.print(JSON.stringify(seen ?? { state: 'stopped' }, undefined, 2));
  else
    output.print(
      seen === undefined ? 'stopped: the agent has not run since the host started' : render(seen, Date.now()),
    );
  return exitOf(seen);
}

async function readStatus(): Promise<AgentStatus | undefined> {
  const text = await readFileIfExists(STATUS_PATH);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OperationError({ op: 'parse', target: STATUS_PATH, hint: 'restart the agent' }, cause);
  }
}

function exitOf(seen: AgentStatus | undefined): number {
  if (seen === undefined || Date.now() - seen.at > STALE_MS) return 3;
  return seen.state === 'healthy' ? 0 : 1;
}
