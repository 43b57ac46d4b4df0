import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { requirePrerequisites } from '../bed/prerequisites.ts';
import { productRpm } from '../bed/product.ts';
import type { PlayedCell } from './cell-text.ts';
import { runEndurance } from './endurance.ts';
import { FAULTS, type MountFault } from './faults.ts';
import { HELPER_FAILURES } from './helper-failures.ts';
import { bootSystem } from './host.ts';
import { beginRun, type KeptRun, openRun, productOf, resumeRun } from './kept-run.ts';
import { LOADS, type Load, prepareLoads } from './loads.ts';
import { CELLS, type Cell, chooseCells, runMatrix } from './matrix.ts';
import { closingLine, type Outcome, renderReport } from './report.ts';
import { measureShutdowns, SHUTDOWNS } from './shutdown.ts';
import { EMULATOR } from './vm/prerequisites.ts';

/**
 * `npm run test:system`: every fault of the mount under every load, in a virtual machine with a real NFS mount. A whole
 * run writes docs/mount-faults.md after each cell, and keeps its evidence below dist/. Arguments: `--resume` goes on with
 * the last whole run, as long as the product is the same: it plays what was not played or not as promised. `--only FAULT`
 * or `--only FAULT/LOAD`, repeated, plays a part and only prints. `--list`, `--json`; `--render` judges the last whole
 * run's evidence and writes its report again; `--endurance COUNT` is another run, see endurance.ts.
 */

const REPORT = join(import.meta.dirname, '../../docs/mount-faults.md');
const started = performance.now();
const say = (text: string) => {
  const seconds = Math.round((performance.now() - started) / 1000);
  process.stderr.write(`${String(seconds).padStart(5)} s  ${text}\n`);
};

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    resume: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    endurance: { type: 'string' },
    render: { type: 'boolean', default: false },
  },
});

if (values.list) list();
else if (values.render) process.exitCode = await conclude(await openRun());
else if (values.endurance !== undefined) process.exitCode = await runEndurance(values.endurance, say);
else if (values.only !== undefined) process.exitCode = await runPart(values.only);
else process.exitCode = await runWhole();

function list(): void {
  const rows = (entries: ReadonlyArray<readonly [string, string]>) =>
    entries.map(([name, title]) => `${name.padEnd(32)}${title}\n`).join('');
  process.stdout.write(rows(Object.entries<MountFault>(FAULTS).map(([name, { title }]) => [name, title])));
  process.stdout.write(
    rows(
      Object.entries(HELPER_FAILURES).map(([name, { title, alsoUnder = [] }]) => [
        name,
        `mount lost; helper: ${title} (${['idle', ...alsoUnder].join(', ')})`,
      ]),
    ),
  );
  process.stdout.write(`\n${rows(Object.entries(LOADS))}\n${CELLS.length} cells\n`);
}

/** @returns the exit status: 0 when every cell is as promised */
async function runPart(only: readonly string[]): Promise<number> {
  const cells = chooseCells(only);
  requirePrerequisites(EMULATOR);
  const rpm = await productRpm();
  const results: PlayedCell[] = [];
  await play(rpm, cells, {
    keep: async (_cell, _played, result) => {
      results.push({ ...result, at: new Date().toISOString(), earlier: [] });
    },
  });
  const minutes = (performance.now() - started) / 60_000;
  const product = await productOf(rpm);
  return print({ product, results, planned: cells.length, shutdowns: [], minutes });
}

/** A new whole run, or the rest of the last one. @returns the exit status: 0 when everything is as promised */
async function runWhole(): Promise<number> {
  requirePrerequisites(EMULATOR);
  const rpm = await productRpm();
  const product = await productOf(rpm);
  const run = await (values.resume ? resumeRun : beginRun)(product);
  const cells = await run.remaining(CELLS);
  const { shutdowns } = await run.outcome(CELLS);
  const shutdownsToo = shutdowns.length < SHUTDOWNS || shutdowns.some(({ passes }) => !passes);
  say(`${cells.length} of ${CELLS.length} cells are to be played`);
  if (cells.length === 0 && !shutdownsToo) return await conclude(run);
  let since = started;
  const keepMinutes = async () => {
    const before = since;
    since = performance.now();
    await run.keepMinutes((since - before) / 60_000);
  };
  await play(rpm, cells, {
    keep: async (cell, played) => {
      await run.keep(cell, played);
      await keepMinutes();
      await writeFile(REPORT, renderReport(await run.outcome(CELLS)));
    },
    shutdowns: shutdownsToo ? run : undefined,
  });
  await keepMinutes();
  return await conclude(run);
}

/** Boots the virtual machine and plays cells in it, and where a run is given, switches it off in several ways. */
async function play(
  rpm: string,
  cells: readonly Cell[],
  { keep, shutdowns }: { keep: Parameters<typeof runMatrix>[3]; shutdowns?: KeptRun | undefined },
): Promise<void> {
  say('building the virtual machine');
  const host = await bootSystem(rpm);
  try {
    say(`booted in ${host.vm.bootSeconds.toFixed(0)} s; installed`);
    const loads = new Set(cells.map(({ load }): Load => load));
    if (shutdowns !== undefined) loads.add('upload');
    await prepareLoads(host, [...loads], say);
    await runMatrix(host.vm, cells, say, keep);
    if (shutdowns !== undefined) await shutdowns.keepShutdowns(await measureShutdowns(host, say));
  } finally {
    await host.shutdown();
  }
}

/** Writes the page of a whole run. @returns the exit status */
async function conclude(run: KeptRun): Promise<number> {
  const outcome = await run.outcome(CELLS);
  await writeFile(REPORT, renderReport(outcome));
  say(`written: ${REPORT}`);
  return print(outcome);
}

/** @returns the exit status */
function print(outcome: Outcome): number {
  process.stdout.write(values.json ? `${JSON.stringify(outcome, undefined, 1)}\n` : renderReport(outcome));
  process.stdout.write(values.json ? '' : `\n${closingLine(outcome)}\n`);
  const { results, planned, shutdowns } = outcome;
  const whole = results.length === planned && results.every(({ faults }) => faults.length === 0);
  return whole && shutdowns.every(({ passes }) => passes) ? 0 : 1;
}
