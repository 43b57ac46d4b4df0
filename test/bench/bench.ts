import { parseArgs } from 'node:util';
import { accountsSuite } from './accounts.ts';
import { type Figure, figureLine, met, type Suite } from './report.ts';
import { UPLOADS } from './uploads.ts';
import { UPLOADS_HOST } from './uploads-host.ts';

/**
 * `npm run bench [-- [--json] [SUITE…]]`: measures what the product promises, on this machine and while nothing else
 * runs on it. Exits 1 when a figure misses its goal, 64 for a suite that doesn't exist.
 */

const SUITES: readonly Suite[] = [accountsSuite, UPLOADS, UPLOADS_HOST];

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !SUITES.some((suite) => suite.name === name));
if (unknown !== undefined) {
  process.stderr.write(`"${unknown}" is no suite; there are: ${SUITES.map(({ name }) => name).join(', ')}\n`);
  process.exit(64);
}

process.once('SIGINT', () => process.exit(130));
const results: Array<Figure & { readonly suite: string }> = [];
for (const { name, run } of SUITES) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  if (!values.json) process.stdout.write(`\n${name}\n`);
  await run({
    figure: (figure) => {
      results.push({ suite: name, ...figure });
      if (!values.json) process.stdout.write(`  ${figureLine(figure)}\n`);
    },
    note: (text) => process.stderr.write(`  … ${text}\n`),
  });
}
if (values.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
process.exit(results.every(met) ? 0 : 1);
