import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { METRICS } from '../../agent/metrics/catalogue.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

describe('the README', () => {
  it('lists exactly the metrics of the catalogue, with their meaning', () => {
    const rows = readme.match(/^\| `\w+` \| .* \|$/gm);
    expect(rows).toEqual(
      Object.entries(METRICS).map(([name, { meaning }]) => `| \`${name}\` | ${meaning} |`),
    );
  });
});
