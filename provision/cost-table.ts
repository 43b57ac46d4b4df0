import {
  breakEvenGb,
  type CostLine,
  monthlyCost,
  PRICES,
  sumOf,
  transferFamilyCost,
  type Usage,
} from './price.ts';

/** 10 MB: an invoice run, a day's transactions. Smaller files cost more requests and log lines. */
const GB_A_FILE = 0.01;

const MONTHS: ReadonlyArray<readonly [title: string, usage: Usage]> = (
  [
    ['idle', 0],
    ['10 GB', 10],
    ['100 GB', 100],
    ['4.3 TB', 4_300],
  ] as const
).map(([title, uploadedGb]) => [title, { uploadedGb, files: uploadedGb / GB_A_FILE, userSecrets: 1 }]);

const dollars = (amount: number): string => amount.toFixed(2);

/** @returns the tables of docs/cost.md in Markdown; its test compares them, so that text and sums can't drift apart */
export function costTables(): string {
  const rows = (bill: (usage: Usage) => CostLine[]): string[] => {
    const bills = MONTHS.map(([, usage]) => bill(usage));
    const names = (bills[0] ?? []).map(({ what }) => what);
    return [
      ...names.map((what, at) =>
        row(
          what,
          bills.map((lines) => dollars(lines[at]?.dollars ?? 0)),
        ),
      ),
      row(
        '**sum**',
        bills.map((lines) => `**${dollars(sumOf(lines))}**`),
      ),
    ];
  };
  return [
    `Dollars a month at list price, ${PRICES.region}, ${PRICES.asOf}; one bundle of users, files of ${GB_A_FILE * 1000} MB.`,
    '',
    row(
      'This service',
      MONTHS.map(([title]) => title),
    ),
    `|---|${MONTHS.map(() => '---:|').join('')}`,
    ...rows(monthlyCost),
    '',
    row(
      'AWS Transfer Family',
      MONTHS.map(([title]) => title),
    ),
    `|---|${MONTHS.map(() => '---:|').join('')}`,
    ...rows(transferFamilyCost),
    '',
    `Both cost the same at about ${(breakEvenGb(GB_A_FILE) / 1000).toFixed(1)} TB a month.`,
  ].join('\n');
}

const row = (name: string, cells: readonly string[]): string => `| ${name} | ${cells.join(' | ')} |`;

if (import.meta.main) console.log(costTables());
