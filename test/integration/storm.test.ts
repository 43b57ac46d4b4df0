import { expect, test } from 'vitest';
import { productRpm } from '../bed/product.ts';
import { runStorm, STORM_LOG, someSeed } from '../storm/storm.ts';

/** Another storm each time; `npm run storm -- --seed N --uploads 1000 --users 12` does one again. */
test('what real clients did in a storm of faults, the log, CloudWatch, the receipts and the bucket all say', {
  timeout: 600_000,
}, async () => {
  const seed = someSeed();
  const result = await runStorm({
    rpm: await productRpm(),
    seed,
    uploads: 1_000,
    users: 12,
    parallel: 6,
    restMs: 2_000,
    note: () => {},
  });
  const told = `seed ${seed}; ${result.diary.join('; ')}; the agent’s log: ${STORM_LOG}`;
  expect(result.disagreements, told).toEqual([]);
  expect(result.summary.whole, told).toBeGreaterThan(900);
  // Steps in doubt explain whatever the log says about them: few enough, or nothing was tested.
  expect(result.summary.doubts, told).toBeLessThan(result.planned / 20);
  expect(result.summary.faults, told).toBeGreaterThan(3);
});
