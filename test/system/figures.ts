import type { CellResult, Seconds } from './judge.ts';

/**
 * A percentile over cells, by the nearest rank. What never came to pass is later than anything; what could not is left
 * out.
 * @param share 0.5 for the median
 */
export function percentile(values: readonly Seconds[], share: number): Seconds {
  const ranked = values
    .filter((value) => value !== null)
    .map((value) => (value === 'never' ? Infinity : value))
    .sort((one, other) => one - other);
  const value = ranked[Math.max(0, Math.ceil(ranked.length * share) - 1)];
  if (value === undefined) return null;
  return value === Infinity ? 'never' : value;
}

/** Median, ninety-fifth percentile and maximum over all cells that were played, as Markdown. */
export function figures(all: readonly CellResult[]): string {
  const results = all.filter(({ played }) => played);
  const row = (title: string, pick: (result: CellResult) => Seconds) => {
    const values = results.map(pick);
    const at = (share: number) => inSeconds(percentile(values, share));
    const count = values.filter((value) => value !== null).length;
    return `| ${title} | ${count} | ${at(0.5)} | ${at(0.95)} | ${at(1)} |`;
  };
  const sum = (pick: (result: CellResult) => number) =>
    results.reduce((total, result) => total + pick(result), 0);
  return [
    '| figure | cells | median | 95 % | longest |',
    '|---|---:|---:|---:|---:|',
    row('noticed after', ({ detectSeconds }) => detectSeconds),
    row('partners refused after', ({ refuseSeconds }) => refuseSeconds),
    row('served again, after the end of the cause', ({ recoverSeconds }) => recoverSeconds),
    row('greatest age of a watchdog ping (of 30 s)', ({ pingAgeSeconds }) => pingAgeSeconds),
    '',
    `In the ${results.length} cells that were played: bytes lost: ${sum(({ lostBytes }) => lostBytes)}. Files on the host's own disk: ${sum(({ wrongDisk }) => wrongDisk.length)}. ` +
      `Processes, units, mounts or files left behind: ${sum(({ left }) => left.length)}. Agents restarted or not fed: ${sum(({ agentAlive }) => (agentAlive ? 0 : 1))}.`,
  ].join('\n');
}

function inSeconds(value: Seconds): string {
  return value === null ? '–' : value === 'never' ? value : `${value} s`;
}
