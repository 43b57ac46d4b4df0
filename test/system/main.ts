import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { requirePrerequisites } from '../bed/prerequisites.ts';
import { productRpm } from '../bed/product.ts';
import { runEndurance } from './endurance.ts';
import { FAULTS, HELPER_FAILURES } from './faults.ts';
import { bootSystem } from './host.ts';
import { LOADS, type Load, prepareLoads } from './loads.ts';
import { chooseCells, runMatrix } from './matrix.ts';
import { closingLine, lastOutcome, type Outcome, renderReport, writeReport } from './report.ts';
import { measureShutdowns } from './shutdown.ts';
import { EMULATOR } from './vm/prerequisites.ts';

/**
 * `npm run test:system`: every fault of the mount under every load, in a virtual machine with a real NFS mount. A whole
 * run writes docs/mount-faults.md; a part of it only prints. Arguments: `--only FAULT` or `--only FAULT/LOAD`, repeated,
 * `--list`, `--json`; `--render` writes the last whole run's report again;
 * `--endurance COUNT` is another run, see endurance.ts.
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
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    endurance: { type: 'string' },
    render: { type: 'boolean', default: false },
  },
});

if (values.list) {
  const faults = Object.entries({ ...FAULTS, ...HELPER_FAILURES });
  process.stdout.write(`${faults.map(([name, { title }]) => `${name.padEnd(32)}${title}`).join('\n')}\n`);
  process.stdout.write(
    `\n${Object.entries(LOADS)
      .map(([name, title]) => `${name.padEnd(32)}${title}`)
      .join('\n')}\n`,
  );
} else if (values.render) {
  const outcome = await lastOutcome();
  await writeReport(REPORT, outcome);
  process.stdout.write(`${closingLine(outcome)}\n`);
} else if (values.endurance !== undefined) {
  requirePrerequisites();
  process.exitCode = await runEndurance(Number(values.endurance), say);
} else {
  process.exitCode = await run();
}

/** @returns the exit status: 0 when every cell is as promised */
async function run(): Promise<number> {
  const cells = chooseCells(values.only ?? []);
  const whole = values.only === undefined;
  requirePrerequisites(EMULATOR);
  say('building the product and the virtual machine');
  const host = await bootSystem(await productRpm());
  try {
    say(`booted in ${host.vm.bootSeconds.toFixed(0)} s; installed`);
    const loads = [...new Set(cells.map(({ load }): Load => load))];
    if (whole && !loads.includes('upload')) loads.push('upload');
    await prepareLoads(host, loads, say);
    const outcomeOf = (results: Outcome['results'], shutdowns: Outcome['shutdowns']): Outcome => ({
      ...{ results, shutdowns, minutes: (performance.now() - started) / 60_000 },
      at: new Date().toISOString(),
    });
    const results = await runMatrix(host.vm, cells, say, async (some) => {
      if (whole) await writeReport(REPORT, outcomeOf(some, []));
    });
    const shutdowns = whole ? await measureShutdowns(host, say) : [];
    const outcome = outcomeOf(results, shutdowns);
    if (whole) {
      await writeReport(REPORT, outcome);
      say(`written: ${REPORT}`);
    }
    process.stdout.write(values.json ? `${JSON.stringify(outcome, undefined, 1)}\n` : renderReport(outcome));
    process.stdout.write(values.json ? '' : `\n${closingLine(outcome)}\n`);
    return results.every(({ faults }) => faults.length === 0) && shutdowns.every(({ passes }) => passes)
      ? 0
      : 1;
  } finally {
    await host.shutdown();
  }
}
