import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { explanationOf } from './explanations.ts';
import { FAULTS, HELPER_FAILURES, type MountFault } from './faults.ts';
import { type CellResult, DETECT_SECONDS, RECOVER_SECONDS } from './judge.ts';
import { LOADS, type Load } from './loads.ts';
import type { Shutdown } from './shutdown.ts';

/** A whole run. */
export interface Outcome {
  readonly results: readonly CellResult[];
  readonly shutdowns: readonly Shutdown[];
  readonly minutes: number;
  /** When it ended, in ISO form. */
  readonly at: string;
  /** What a reader must know of this run, where it was no ordinary one. */
  readonly remark?: string;
}

const LOAD_NAMES = Object.keys(LOADS) as Load[];

/** The last line of a run, for people and programs. */
export function closingLine({ results, shutdowns }: Outcome): string {
  const failed = results.filter(({ faults }) => faults.length > 0).length;
  const blocked = shutdowns.filter(({ passes }) => !passes).length;
  const passed = results.length + shutdowns.length - failed - blocked;
  return `${passed} passed, ${failed + blocked} failed`;
}

/** Where the figures of the last whole run are kept, so that the report can be rendered again. */
const KEPT = join(import.meta.dirname, '../../dist/mount-faults.json');

export async function writeReport(path: string, outcome: Outcome): Promise<void> {
  await mkdir(dirname(KEPT), { recursive: true });
  await writeFile(KEPT, JSON.stringify(outcome));
  await writeFile(path, renderReport(outcome));
}

/** The last whole run of this worktree. @throws Error where there was none */
export async function lastOutcome(): Promise<Outcome> {
  return JSON.parse(await readFile(KEPT, 'utf8'));
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
  const { minutes, results, at, remark } = outcome;
  const day = at.slice(0, 10);
  return `# What the mount does when something breaks

<!-- Written by \`npm run test:system\`; changes here are lost. -->

Each cell is a virtual machine (x86-64, two emulated processors, about five times slower than a real host) with the
product installed by \`dnf\` and its default periods, NFS 4.2 mounted hard through a proxy on a changing port by a stand-in
of \`mount.s3files\`, and partners with OpenSSH's \`sftp\`. ${results.length} cells, ${closingLine({ ...outcome, shutdowns: [] })}, ${Math.round(minutes)} min, ${day}.

How to read a cell: seconds until the agent had its verdict / seconds from the end of the cause until partners were
served again. "–": there was nothing to notice, partners were served throughout. Promised: ≤ ${DETECT_SECONDS} s / ≤ ${RECOVER_SECONDS} s; no byte
lost or on the host's own disk, no process left behind, the agent alive and its watchdog fed. A cell that is not as
promised is bold, and explained below.${remark === undefined ? '' : `\n\n${remark}`}`;
}

/** Ninety-fifth percentile and maximum over all cells. */
function figures(results: readonly CellResult[]): string {
  const row = (title: string, values: readonly (number | null)[]) => {
    const sorted = values.filter((value) => value !== null).sort((one, other) => one - other);
    const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? '–';
    return `| ${title} | ${sorted.length} | ${at(0.5)} s | ${at(0.95)} s | ${at(1)} s |`;
  };
  const sum = (pick: (result: CellResult) => number) =>
    results.reduce((total, result) => total + pick(result), 0);
  return [
    '| figure | cells | median | 95 % | longest |',
    '|---|---:|---:|---:|---:|',
    row(
      'noticed after',
      results.map(({ detectSeconds }) => detectSeconds),
    ),
    row(
      'partners refused after',
      results.map(({ refuseSeconds }) => refuseSeconds),
    ),
    row(
      'served again, after the end of the cause',
      results.map(({ recoverSeconds }) => recoverSeconds),
    ),
    row(
      'greatest age of a watchdog ping (of 30 s)',
      results.map(({ pingAgeSeconds }) => pingAgeSeconds),
    ),
    '',
    `Bytes lost: ${sum(({ lostBytes }) => lostBytes)}. Files on the host's own disk: ${sum(({ wrongDisk }) => wrongDisk.length)}. ` +
      `Processes, mounts or files left behind: ${sum(({ left }) => left.length)}. Restarts of the agent: ${sum(({ agentAlive }) => (agentAlive ? 0 : 1))}.`,
  ].join('\n');
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

function cellText(result: CellResult | undefined): string {
  if (result === undefined) return 'not run';
  if (result.note !== '') return 'refused';
  const times = `${result.detectSeconds ?? '–'} / ${result.recoverSeconds ?? '–'}`;
  return result.faults.length === 0 ? times : `**${times}**`;
}

/** What partners saw, and what is to be said of a cell. */
function details(results: readonly CellResult[]): string {
  const rows = results
    .filter(({ fault }) => fault in FAULTS)
    .map((result) => {
      const seen = Object.entries(result.partners).map(([outcome, count]) => `${count} ${outcome}`);
      const remarks = remarksOf(result);
      const name = `${result.fault} × ${result.load}`;
      return `| ${name} | ${result.refuseSeconds ?? '–'} | ${seen.join(', ') || '–'} | ${remarks} |`;
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

function helperTable(results: readonly CellResult[]): string {
  const rows = Object.entries(HELPER_FAILURES).map(([name, { title }]) => {
    const result = results.find((each) => each.fault === name);
    const said = (result?.said ?? '').replaceAll('|', '\\|');
    const remarks = result === undefined ? '' : remarksOf(result);
    return `| ${title.replace('mount lost; helper: ', '')} | ${cellText(result)} | ${said} | ${remarks} |`;
  });
  return [
    '## The helper fails while the mount is lost',
    '',
    'Partners idle. What the agent said of it, in its log, in `systemctl status` and for `doctor`:',
    '',
    '| failure | cell | said; to do | remarks |',
    '|---|---:|---|---|',
    ...rows,
  ].join('\n');
}

/** What is not as promised, and why. */
function remarksOf(result: CellResult): string {
  const explanation = result.faults.length === 0 ? '' : explanationOf(result);
  return [result.note, ...result.faults, explanation]
    .filter((each) => each !== '')
    .join('; ')
    .replaceAll('|', '\\|');
}

function shutdownTable(shutdowns: readonly Shutdown[]): string {
  const rows = shutdowns.map(
    ({ title, seconds, passes }) => `| ${title} | ${passes ? seconds : `**${seconds}**`} |`,
  );
  return ['## Switching the host off', '', '| state | seconds |', '|---|---:|', ...rows].join('\n');
}
