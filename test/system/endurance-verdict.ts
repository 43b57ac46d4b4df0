import type { Product } from './report.ts';

/** What the agent and the host had after so many faults. */
export interface Sample {
  readonly faults: number;
  /** Since the first fault. */
  readonly minutes: number;
  readonly residentMiB: number;
  readonly threads: number;
  readonly files: number;
  readonly children: number;
  readonly units: number;
  readonly tunnels: number;
  readonly stateFiles: number;
  readonly logFiles: number;
  readonly mounts: number;
  /** Probes that were killed and hang in the kernel. */
  readonly probesStuck: number;
  /** Median from fault to being served again, over the faults since the last sample. */
  readonly medianSeconds: number;
}

/** The agent's memory may stray by so much over its least from the second sample on. */
const MEMORY_STRAYS = 1.2;
/** Logs of dead tunnels stay for ten minutes, and are looked for once a minute; the newest five stay for good. */
const LOGS_STAY_MINUTES = 12;
const LOGS_KEPT = 5;
/** A fault leaves a tunnel's log for each attempt that follows, and some need two. */
const LOGS_A_FAULT = 2;

/** More than the second sample had of each; a tunnel and its state outlive an unmount by some 40 s. */
const ROOM = {
  threads: 0,
  files: 10,
  children: 4,
  units: 4,
  tunnels: 6,
  stateFiles: 24,
  mounts: 0,
  probesStuck: 0,
} as const;

/**
 * What piled up, one sentence each. The first sample is a fresh agent's, so the second is where it begins to count.
 * @param survived whether the agent that ends it is the one that began it
 */
export function judgeEndurance(samples: readonly Sample[], survived: boolean): string[] {
  const [, first, ...later] = samples;
  const last = samples.at(-1);
  const problems: string[] = survived ? [] : ['the agent was restarted'];
  if (first === undefined || last === undefined) return [...problems, 'nothing was measured'];
  const least = Math.min(first.residentMiB, ...later.map(({ residentMiB }) => residentMiB));
  if (last.residentMiB > least * MEMORY_STRAYS)
    problems.push(`memory grew from ${least} to ${last.residentMiB} MiB`);
  for (const [what, room] of Object.entries(ROOM)) {
    const key = what as keyof typeof ROOM;
    if (last[key] > first[key] + room) problems.push(`${what}: from ${first[key]} to ${last[key]}`);
  }
  const bound = logBound(samples, last);
  if (last.logFiles > bound) problems.push(`logFiles: ${last.logFiles}, where ${bound} are of recent mounts`);
  return problems;
}

/** So many logs may be there at a sample: those of the faults of the last minutes. */
function logBound(samples: readonly Sample[], now: Sample): number {
  const old = samples.filter(({ minutes }) => minutes <= now.minutes - LOGS_STAY_MINUTES).at(-1);
  const [fresh] = samples;
  return (fresh?.logFiles ?? 0) + LOGS_KEPT + LOGS_A_FAULT * (now.faults - (old?.faults ?? 0));
}

/** What the page tells besides the samples. */
export interface EnduranceRun {
  readonly samples: readonly Sample[];
  readonly problems: readonly string[];
  readonly product: Product;
  /** When it ended, in ISO form. */
  readonly at: string;
  /** How many faults there were of each kind. */
  readonly kinds: Readonly<Record<string, number>>;
}

/** The page, as Markdown. */
export function renderEndurance({ samples, problems, product, at, kinds }: EnduranceRun): string {
  const rows = samples.map((each) => `| ${Object.values(each).join(' | ')} |`);
  const verdict = problems.length === 0 ? 'Nothing piled up.' : `Piled up: ${problems.join('; ')}.`;
  const counts = Object.entries(kinds).map(([title, count]) => `${count} × ${title}`);
  return `# A thousand faults of the mount

<!-- Written by \`npm run test:system -- --endurance 1000\`; changes here are lost. -->

One agent in a container, with FUSE in the place of NFS and periods of a second: ${counts.join(', ')}.
Each is repaired before the next. Logs of dead tunnels are removed once they are ten minutes old, but for the newest
five. ${verdict}

${product.name}, SHA-256 ${product.sha256.slice(0, 12)}…, ${samples.at(-1)?.faults ?? 0} faults in ${samples.at(-1)?.minutes ?? 0} min, ${at.slice(0, 16).replace('T', ' ')} UTC.

| faults | minutes | agent, MiB | threads | open files | children | units | tunnels | state files | log files | mounts | stuck probes | median until served, s |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
${rows.join('\n')}
`;
}
