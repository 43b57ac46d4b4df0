import type { Counted, Evidence } from './evidence.ts';
import type { Told } from './verdict.ts';

/** A lag is rounded to three digits. */
const LAG_TOLERANCE = 0.01;

/** CloudWatch's sums are those of the log, save for batches that it demonstrably took twice. */
export function judgeMetrics(told: readonly Told[], { lines, metrics, repeated }: Evidence): string[] {
  const whole = told.filter(({ kind }) => kind === 'whole');
  const lags = lines.flatMap((line) =>
    String(line['event-id']).endsWith('.receipt') ? [Number(line['lag-seconds'])] : [],
  );
  // Where sshd cut the bytes off the log, they are counted when the object tells them.
  const late = whole.filter(({ bytes }) => bytes === null).map(({ id }) => id);
  const lateBytes = lines.flatMap((line) =>
    late.some((id) => line['event-id'] === `${id}.receipt`) ? [Number(line.bytes)] : [],
  );
  const expected: Record<Counted, number> = {
    UploadCount: whole.length,
    UploadBytes: sum(whole.map(({ bytes }) => bytes ?? 0)) + sum(lateBytes),
    PartialUploads: told.length - whole.length,
    DeliveryLagSeconds: sum(lags),
  };
  const wrong = (Object.keys(expected) as Counted[]).flatMap((name) => {
    const found = metrics[name].sum - repeated[name].sum;
    const tolerance = name === 'DeliveryLagSeconds' ? expected[name] * LAG_TOLERANCE + 0.01 : 0;
    return Math.abs(found - expected[name]) <= tolerance
      ? []
      : [
          `${name}: CloudWatch has ${metrics[name].sum}, of that twice ${repeated[name].sum}; the log has ${expected[name]}`,
        ];
  });
  const samples = metrics.DeliveryLagSeconds.samples - repeated.DeliveryLagSeconds.samples;
  if (samples !== lags.length)
    wrong.push(`DeliveryLagSeconds: ${samples} values for ${lags.length} receipts`);
  return wrong;
}

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);
