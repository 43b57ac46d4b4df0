import { cellText, type PlayedCell, remarksOf } from './cell-text.ts';
import { FAULTS, type MountFault } from './faults.ts';
import { figures } from './figures.ts';
import { helperTable } from './helper-table.ts';
import { type CellResult, DETECT_SECONDS, RECOVER_SECONDS } from './judge.ts';
import { LOADS, type Load } from './loads.ts';
import type { Shutdown } from './shutdown.ts';

/** The package that was installed: name, version and release, and its digest, which the same sources give again. */
export interface Product {
  readonly name: string;
  readonly sha256: string;
}

/** A whole run, or what there is of it so far; all of one build of the product. */
export interface Outcome {
  readonly product: Product;
  readonly results: readonly PlayedCell[];
  /** How many cells a whole run has. */
  readonly planned: number;
  readonly shutdowns: readonly Shutdown[];
  readonly minutes: number;
}

const LOAD_NAMES = Object.keys(LOADS) as Load[];

/** The last line of a run, for people and programs. */
export function closingLine({ results, planned, shutdowns }: Outcome): string {
  const failed = results.filter(({ faults }) => faults.length > 0).length;
  const blocked = shutdowns.filter(({ passes }) => !passes).length;
  const passed = results.length + shutdowns.length - failed - blocked;
  const open = planned - results.length;
  return `${passed} passed, ${failed + blocked} failed${open === 0 ? '' : `, ${open} not played`}`;
}

/** The tables, as Markdown. */
export function renderReport(outcome: Outcome): string {
  const { results, shutdowns } = outcome;
  const parts = [
    introduction(outcome),
    figures(results),
    matrix(results),
    details(results),
    helperTable(results),
    shutdowns.length === 0 ? '' : shutdownTable(shutdowns),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function introduction(outcome: Outcome): string {
  const { product, minutes, results, planned } = outcome;
  const times = results.map(({ at }) => at.slice(0, 16).replace('T', ' ')).sort();
  const open = planned - results.length;
  const again = results.filter(({ earlier }) => earlier.length > 0).length;
  return `# What the mount does when something breaks

<!-- Written by \`npm run test:system\`; changes here are lost. -->

Each cell is a virtual machine (x86-64, two emulated processors, about five times slower than a real host) with the
product installed by \`dnf\` and its default periods, NFS 4.2 mounted hard through a proxy on a changing port by a stand-in
of \`mount.s3files\`, and partners with OpenSSH's \`sftp\`. ${results.length} cells, ${closingLine({ ...outcome, shutdowns: [] })}, ${Math.round(minutes)} min.
All of one build: ${product.name}, SHA-256 ${product.sha256.slice(0, 12)}…; the first cell was played at ${times[0] ?? '–'}, the last at ${times.at(-1) ?? '–'} UTC.
${open === 0 ? '' : `**This is not a whole run:** ${open} of ${planned} cells were not played.\n`}${again === 0 ? '' : `${again} cells were played more than once: the last time is shown, and the remarks say what was before.\n`}
How to read a cell: seconds until the agent had its verdict / seconds from the end of the cause until partners were
served again. Where only the agent can end the cause (a stopped proxy, a dead watchdog) that clock starts at its verdict.
"–": there was nothing to notice, partners were served throughout. "never": it did not come to pass, and counts as
longer than anything. Promised: ≤ ${DETECT_SECONDS} s / ≤ ${RECOVER_SECONDS} s; no byte lost or on the host's own disk, nothing left behind, the
agent alive and its watchdog fed, partners refused at once or served; what was not observed counts as not kept. A cell
that is not as promised is bold, and explained below.`;
}

function matrix(results: readonly CellResult[]): string {
  const rows = Object.entries<MountFault>(FAULTS).map(([name, { title }]) => {
    const cells = LOAD_NAMES.map((load) =>
      cellText(results.find((each) => each.fault === name && each.load === load)),
    );
    return `| ${title} | ${cells.join(' | ')} |`;
  });
  const header = `| fault | ${LOAD_NAMES.map((load) => LOADS[load]).join(' | ')} |`;
  return ['## Faults × loads', '', header, `|---|${LOAD_NAMES.map(() => '---:|').join('')}`, ...rows].join(
    '\n',
  );
}

/** What partners saw, and what is to be said of a cell. */
function details(results: readonly PlayedCell[]): string {
  const rows = results
    .filter(({ fault, load }) => fault in FAULTS || load !== 'idle')
    .map((result) => {
      const seen = Object.entries(result.partners).map(([outcome, count]) => `${count} ${outcome}`);
      const name = `${result.fault} × ${result.load}`;
      return `| ${name} | ${result.refuseSeconds ?? '–'} | ${seen.join(', ') || '–'} | ${remarksOf(result)} |`;
    });
  return [
    '## What partners saw',
    '',
    'Refused: seconds until nobody could connect any more. Outcomes of their uploads and sessions: *ok*; *refused*, nobody',
    'listened; *closed*, before they had logged in; *turned-away*, after it, before the verdict; *broken*, the connection or the command failed, and their client said',
    'so; *session ended*, the connection was closed; *session open*, it was there to the end. One upload that is made after',
    'each recovery is among the *ok*.',
    '',
    '| cell | refused | outcomes | remarks |',
    '|---|---:|---|---|',
    ...rows,
  ].join('\n');
}

function shutdownTable(shutdowns: readonly Shutdown[]): string {
  const rows = shutdowns.map(
    ({ title, seconds, passes }) => `| ${title} | ${passes ? seconds : `**${seconds}**`} |`,
  );
  return ['## Switching the host off', '', '| state | seconds |', '|---|---:|', ...rows].join('\n');
}
