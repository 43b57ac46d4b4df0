/** One figure that a suite measured, and the goal that it has to meet where there is one. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  /** `s`, `MB`, `lines/s`, `%` … */
  readonly unit: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** Where a suite puts what it measured and says what it is doing. */
export interface Report {
  figure(figure: Figure): void;
  /** Progress, for whoever waits; not part of the result. */
  note(text: string): void;
}

/** A named group of measurements that needs a machine to itself while it runs. */
export interface Suite {
  readonly name: string;
  readonly run: (report: Report) => Promise<void>;
}

/** Whether a figure meets its goal; one without a goal always does. */
export function met({ value, atMost, atLeast }: Figure): boolean {
  return (atMost === undefined || value <= atMost) && (atLeast === undefined || value >= atLeast);
}

/** A figure as a line of the table: `first sync of 10,000 users    9.80 s    at most 12    met`. */
export function figureLine(figure: Figure): string {
  const { name, value, unit, atMost, atLeast } = figure;
  const digits = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : 2;
  const shown = value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const goals = [
    ...(atMost === undefined ? [] : [`at most ${atMost.toLocaleString('en')}`]),
    ...(atLeast === undefined ? [] : [`at least ${atLeast.toLocaleString('en')}`]),
  ];
  const verdict = goals.length === 0 ? '' : met(figure) ? 'met' : 'MISSED';
  return [name.padEnd(64), `${shown} ${unit}`.padStart(18), goals.join(', ').padStart(18), verdict]
    .join('  ')
    .trimEnd();
}
