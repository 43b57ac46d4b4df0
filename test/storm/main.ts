import { parseArgs } from 'node:util';
import { requirePrerequisites } from '../bed/prerequisites.ts';
import { productRpm } from '../bed/product.ts';
import { runStorm, STORM_LOG, someSeed } from './storm.ts';

/**
 * `npm run storm [-- --seed N --uploads N --users N --parallel N]`: real SFTP clients upload in every way while the
 * agent, the mount, journald and AWS fail; at the end log, metrics, receipts and bucket must agree with what the
 * clients know, to the byte. Exits 1 when they do not, and says the seed that does it again.
 */

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(someSeed()) },
    uploads: { type: 'string', default: '5000' },
    users: { type: 'string', default: '40' },
    parallel: { type: 'string', default: '8' },
    rest: { type: 'string', default: '6' },
  },
});
const seed = Number(values.seed);
process.once('SIGINT', () => process.exit(130));
requirePrerequisites();
const began = performance.now();
const { disagreements, diary, summary, truth } = await runStorm({
  rpm: await productRpm(),
  seed,
  uploads: Number(values.uploads),
  users: Number(values.users),
  parallel: Number(values.parallel),
  restMs: Number(values.rest) * 1000,
  note: (text) => process.stderr.write(`… ${((performance.now() - began) / 1000).toFixed(0)} s: ${text}\n`),
});
process.stdout.write(`${diary.map((entry) => `  ${entry}\n`).join('')}`);
for (const { user, step, reason } of truth.doubts)
  process.stdout.write(
    `  in doubt: ${user} ${step.kind} ${'path' in step ? JSON.stringify(step.path) : ''}: ${reason}\n`,
  );
for (const each of disagreements) process.stdout.write(`  ✗ ${each}\n`);
const counts = Object.entries(summary).map(([name, count]) => `${count} ${name}`);
const seconds = ((performance.now() - began) / 1000).toFixed(0);
process.stdout.write(
  `seed ${seed}: ${counts.join(', ')}; ${disagreements.length} disagreements, in ${seconds} s\n`,
);
if (disagreements.length > 0) process.stdout.write(`the agent’s log is in ${STORM_LOG}\n`);
process.exit(disagreements.length === 0 ? 0 : 1);
