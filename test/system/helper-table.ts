import { cellText, type PlayedCell, remarksOf } from './cell-text.ts';
import { HELPER_FAILURES } from './helper-failures.ts';
import { LOADS } from './loads.ts';

/** The helper's failures, and why not each of them is played under each load; as Markdown. */
export function helperTable(results: readonly PlayedCell[]): string {
  const rows = Object.entries(HELPER_FAILURES).map(([name, { title, ending }]) => {
    const cells = results.filter(({ fault }) => fault === name);
    const idle = cells.find(({ load }) => load === 'idle');
    const others = cells
      .filter(({ load }) => load !== 'idle')
      .map((cell) => `${LOADS[cell.load]}: ${cellText(cell)}`);
    const said = (idle?.said ?? '').replaceAll('|', '\\|');
    const remarks = idle === undefined ? '' : remarksOf(idle);
    return `| ${title} | ${ending} | ${cellText(idle)} | ${others.join('; ') || '–'} | ${said} | ${remarks} |`;
  });
  return [
    '## The helper fails while the mount is lost',
    '',
    'The mount is detached by hand, and the helper fails until the cause is gone. Each failure is played on an idle host: what',
    'the agent said of it is what its log, `systemctl status` and `doctor` say. The helper runs only after the port was',
    'closed and the sessions ended, so a load can make a difference by how an attempt ends (at once, with success and no',
    'mount, slowly, or never), but not by the words that it ends with. One failure of each of these is played under the',
    'loads that bear on it: logins that go on against a closed port, sessions that were open, and files with dirty pages.',
    'The others would show the same course again. What a load makes of losing the mount itself is the row of `umount -l`.',
    '',
    '| failure | attempt | idle | other loads | said; to do | remarks |',
    '|---|---|---:|---|---|---|',
    ...rows,
  ].join('\n');
}
