import type { Edges } from '../os/edges.ts';
import type { LogLine } from './state.ts';

/** The agent's unit, whose journal tells which lines were written before a crash. */
const AGENT_UNIT = 's3files-sftp-agent.service';
/** The clock may have been set since; a longer look back costs little. */
const SLACK_MS = 60_000;
const TIMEOUT_MS = 10_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/**
 * Asks the agent's own journal which lines of the last commit were written before the agent was killed.
 * @returns those that were not; all of them where the journal can't be asked, since a line twice is better than none
 */
export async function linesNotWritten(
  outbox: { readonly at: number; readonly lines: readonly LogLine[] },
  edges: Pick<Edges, 'exec' | 'log'>,
): Promise<readonly LogLine[]> {
  if (outbox.lines.length === 0) return [];
  // What is still on its way through journald's sockets must be in the journal first.
  await edges.exec(['journalctl', '--sync'], { timeoutMs: TIMEOUT_MS });
  const since = `--since=@${Math.floor((outbox.at - SLACK_MS) / 1000)}`;
  const result = await edges.exec(
    ['journalctl', `--unit=${AGENT_UNIT}`, '--output=cat', '--all', '--quiet', '--no-pager', since],
    { timeoutMs: TIMEOUT_MS, maxOutputBytes: MAX_OUTPUT_BYTES },
  );
  if (result.outcome !== 'exited' || result.code !== 0) {
    edges.log.warn({ lines: outbox.lines.length }, 'lines about uploads may stand in the log twice');
    return outbox.lines;
  }
  const written = eventIdsOf(result.stdout);
  return outbox.lines.filter(({ fields }) => !written.has(String(fields['event-id'])));
}

/** @param text the agent's log, one JSON object a line */
export function eventIdsOf(text: string): Set<string> {
  const ids = new Set<string>();
  for (const line of text.split('\n')) {
    if (!line.startsWith('{')) continue;
    try {
      const id: unknown = JSON.parse(line)['event-id'];
      if (typeof id === 'string') ids.add(id);
    } catch {
      // A line that journald cut is a line that was not written.
    }
  }
  return ids;
}
