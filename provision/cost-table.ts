import {
  breakEvenGb,
  type CostLine,
  callsAPoll,
  monthlyCost,
  PRICES,
  pollingCost,
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

/** Users and the secrets that hold them: one for each, or bundles of 250. */
const CROWDS: ReadonlyArray<readonly [users: number, secrets: number]> = [
  [10, 10],
  [10, 1],
  [1_000, 1_000],
  [1_000, 4],
  [10_000, 10_000],
  [10_000, 40],
];
/** `users.poll_seconds` of the agent, when it is not set. */
const POLL_SECONDS = 60;

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
    '',
    row('Users, with a poll each minute', ['calls a poll', 'polling', 'secrets']),
    '|---|---:|---:|---:|',
    ...CROWDS.map(crowdRow),
  ].join('\n');
}

function crowdRow([users, secrets]: readonly [number, number]): string {
  const calls = callsAPoll(secrets, POLL_SECONDS);
  const within = `${secrets.toLocaleString('en')} secret${secrets === 1 ? '' : 's'}`;
  return row(`${users.toLocaleString('en')} in ${within}`, [
    String(calls),
    dollars(pollingCost({ calls, everySeconds: POLL_SECONDS })),
    dollars(secrets * PRICES.secretMonth),
  ]);
}

const row = (name: string, cells: readonly string[]): string => `| ${name} | ${cells.join(' | ')} |`;

if (import.meta.main) console.log(costTables());
