import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { costTables } from '../../provision/cost-table.ts';
import {
  breakEvenGb,
  callsAPoll,
  deliveryCost,
  monthlyCost,
  PRICES,
  pollingCost,
  sumOf,
  transferFamilyCost,
  type Usage,
  watchingCost,
} from '../../provision/price.ts';

const usage = (uploadedGb: number, files = uploadedGb * 100): Usage => ({
  uploadedGb,
  files,
  userSecrets: 1,
});

describe('the price table', () => {
  it('is dated', () => {
    expect(Date.parse(PRICES.asOf)).not.toBeNaN();
  });

  it('puts instance, disk and address at about $17 a month', () => {
    const fixed = monthlyCost(usage(0)).slice(0, 3);
    expect(fixed.map(({ dollars }) => dollars.toFixed(2))).toEqual(['12.26', '3.65', '0.64']);
    expect(sumOf(monthlyCost(usage(0)))).toBeLessThan(18);
  });

  it('adds ten cents for each GB: writing, bringing to the bucket, a day of fast storage', () => {
    const perGb = sumOf(monthlyCost(usage(1000, 0))) - sumOf(monthlyCost(usage(0)));
    expect(perGb / 1000).toBeCloseTo(0.06 + 0.03 + 0.3 / (365 / 12), 6);
  });

  it('puts a poll of two calls a minute at 44 cents a month, and every quarter of a minute at four times that', () => {
    expect(pollingCost({ calls: 2, everySeconds: 60 })).toBeCloseTo(0.438, 6);
    expect(pollingCost({ calls: 2, everySeconds: 15 })).toBeCloseTo(1.752, 6);
  });

  it('counts the calls of a poll: batches of 20, and pages of 100 that are listed every five minutes at most', () => {
    expect([1, 20, 21, 100].map((secrets) => callsAPoll(secrets, 60))).toEqual([2, 2, 3, 6]);
    expect(callsAPoll(1_000, 60)).toBe(52);
    expect(callsAPoll(10_000, 60)).toBe(520);
    expect(callsAPoll(1_000, 3_600)).toBe(60);
  });

  it('puts a million receipts at 40 cents, when each object is there at the first question', () => {
    expect(deliveryCost(1_000_000, { headsEach: 1 })).toBeCloseTo(0.4, 9);
    expect(deliveryCost(1_000_000, { headsEach: 2.5 })).toBeCloseTo(1, 9);
  });

  it('counts nine cents for watching the mount, and no PUT, since a probe is gone before it would be exported', () => {
    expect(watchingCost()).toBeCloseTo(0.0922, 4);
    const requests = monthlyCost(usage(0)).find(({ what }) => what === 'S3 requests');
    expect(requests?.dollars).toBe(0);
  });

  it('breaks even where both bills are the same', () => {
    const gb = breakEvenGb(0.01);
    expect(sumOf(monthlyCost(usage(gb)))).toBeCloseTo(sumOf(transferFamilyCost(usage(gb))), 6);
    expect(sumOf(monthlyCost(usage(gb / 2)))).toBeLessThan(sumOf(transferFamilyCost(usage(gb / 2))));
  });
});

describe('docs/cost.md', () => {
  it('shows what the table adds up to today', () => {
    const page = readFileSync(new URL('../../docs/cost.md', import.meta.url), 'utf8');
    expect(page.split('<!-- tables -->\n')[1]?.split('\n<!-- /tables -->')[0]).toBe(costTables());
  });
});
