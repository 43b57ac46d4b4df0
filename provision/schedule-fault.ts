/** A field of EventBridge Scheduler's cron: the numbers it takes, their names, and what else it may say. */
interface Field {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly names?: readonly string[];
  /** `?`, or marks such as `L` (last), `15W` (nearest weekday), `SUN#2` (second). */
  readonly marks?: RegExp;
}

/** https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based */
const FIELDS: readonly Field[] = [
  { name: 'minutes', from: 0, to: 59 },
  { name: 'hours', from: 0, to: 23 },
  { name: 'day of month', from: 1, to: 31, marks: /^(\?|L|LW|([1-9]|[12]\d|3[01])W)$/ },
  {
    name: 'month',
    from: 1,
    to: 12,
    names: ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'],
  },
  {
    name: 'day of week',
    from: 1,
    to: 7,
    names: ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'],
    marks: /^(\?|([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)?L|([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)#[1-5])$/,
  },
  { name: 'year', from: 1970, to: 2199 },
];

const EXAMPLE = 'such as "cron(0 3 ? * SUN *)": minutes hours day month weekday year';

/** @returns what is wrong with a cron expression of EventBridge Scheduler, and what to write; nothing where it is right */
export function scheduleFault(expression: string): string | undefined {
  const fields = /^cron\((\S+(?: \S+){5})\)$/.exec(expression)?.[1]?.split(' ');
  if (fields === undefined) return `must be six fields ${EXAMPLE}`;
  for (const [at, field] of FIELDS.entries()) {
    const text = fields[at] ?? '';
    if (!text.split(',').every((item) => isItem(item, field))) {
      return `has "${text}" for ${field.name}, which goes from ${field.from} to ${field.to}; write one ${EXAMPLE}`;
    }
  }
  const open = fields.filter((text) => text === '?').length;
  return open === 1
    ? undefined
    : `must have exactly one "?", for the day of month or of the week, ${EXAMPLE}`;
}

/** One item of a list: a value, a range, a step through either, or a mark of its own. */
function isItem(item: string, field: Field): boolean {
  if (field.marks?.test(item)) return true;
  const [range = '', step, ...rest] = item.split('/');
  if (rest.length > 0 || (step !== undefined && !/^[1-9]\d*$/.test(step))) return false;
  if (range === '*') return true;
  const ends = range.split('-').map((text) => numberOf(text, field));
  const [first, last] = ends;
  if (first === undefined || ends.length > 2) return false;
  return ends.length === 1 || (last !== undefined && first <= last);
}

function numberOf(text: string, { from, to, names }: Field): number | undefined {
  const named = names?.indexOf(text.toUpperCase()) ?? -1;
  const value = named >= 0 ? from + named : /^\d+$/.test(text) ? Number(text) : undefined;
  return value !== undefined && value >= from && value <= to ? value : undefined;
}
