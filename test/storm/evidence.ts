import type { ObjectVersion } from '../bed/aws.ts';
import type { Bed } from '../bed/boot.ts';
import { agentEvents } from '../bed/product.ts';

/** One line of the agent's own log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** What the product says happened, and what the bucket holds. */
export interface Evidence {
  readonly lines: readonly LogLine[];
  readonly versions: readonly ObjectVersion[];
  readonly metrics: Readonly<Record<Counted, Sum>>;
  /** What CloudWatch took twice: batches under way when the agent was killed or the answer was lost. */
  readonly repeated: Readonly<Record<Counted, Sum>>;
  /** Content behind the mount of every file, by key. */
  readonly files: ReadonlyMap<string, Buffer>;
}

export interface Sum {
  readonly sum: number;
  readonly samples: number;
}

export const COUNTED = ['UploadCount', 'UploadBytes', 'PartialUploads', 'DeliveryLagSeconds'] as const;
export type Counted = (typeof COUNTED)[number];

export async function gatherEvidence(bed: Bed, files: ReadonlyMap<string, Buffer>): Promise<Evidence> {
  const metrics: Record<string, Sum> = {};
  for (const name of COUNTED) {
    const points = await bed.aws.metric(name);
    metrics[name] = points.reduce(
      (total, point) => ({ sum: total.sum + point.sum, samples: total.samples + point.samples }),
      { sum: 0, samples: 0 },
    );
  }
  return {
    lines: await agentEvents(bed),
    versions: await bed.aws.versions(bed.s3files.bucket),
    metrics: metrics as Record<Counted, Sum>,
    repeated: repeatedIn(await bed.aws.calls('PutMetricData')),
    files,
  };
}

interface Datum {
  readonly MetricName: string;
  readonly Value?: number;
  readonly Values?: readonly number[];
  readonly Counts?: readonly number[];
}

/** A batch is sent again as it was, so a body that AWS took twice is one that counts twice. */
function repeatedIn(calls: readonly { readonly status: number | null; readonly body?: unknown }[]) {
  const repeated: Record<string, Sum> = Object.fromEntries(
    COUNTED.map((name) => [name, { sum: 0, samples: 0 }]),
  );
  const taken = new Set<string>();
  for (const { status, body } of calls) {
    // Without a status the answer was lost, or its reader had gone: AWS had the request.
    if (body === undefined || (status !== null && status !== 200)) continue;
    const text = JSON.stringify(body);
    if (!taken.has(text)) {
      taken.add(text);
      continue;
    }
    for (const datum of (body as { MetricData?: readonly Datum[] }).MetricData ?? []) {
      const before = repeated[datum.MetricName];
      if (before === undefined) continue;
      const { Value: value, Values: values = [value ?? 0], Counts: counts = values.map(() => 1) } = datum;
      const sum = values.reduce((total, each, index) => total + each * (counts[index] ?? 1), 0);
      const samples = counts.reduce((total, each) => total + each, 0);
      repeated[datum.MetricName] = { sum: before.sum + sum, samples: before.samples + samples };
    }
  }
  return repeated as Record<Counted, Sum>;
}
