/**
 * What the service costs, from one dated table. Pure: no CDK, no AWS, so that the agent may read it too.
 * Sums are dollars a month; GB are 10⁹ bytes, as AWS bills them.
 */

/** AWS's list prices in us-east-1, in dollars. */
export const PRICES = {
  /** The day this table was put together, from quotations of the pages it names: compare before relying on it. */
  asOf: '2026-11-24',
  region: 'us-east-1',
  /** https://aws.amazon.com/ec2/pricing/on-demand/ (t4g.small, Linux) */
  instanceHour: 0.0168,
  /** https://aws.amazon.com/vpc/pricing/ (public IPv4 address, in use or idle) */
  publicIpv4Hour: 0.005,
  /** https://aws.amazon.com/ebs/pricing/ (gp3) */
  diskGbMonth: 0.08,
  /** https://aws.amazon.com/secrets-manager/pricing/ */
  secretMonth: 0.4,
  secretCall: 0.05 / 10_000,
  /** https://aws.amazon.com/cloudwatch/pricing/ (Logs: ingestion; ten metrics, ten alarms, three dashboards are free) */
  logGb: 0.5,
  /** https://aws.amazon.com/s3/pricing/ (Standard: PUT, and HEAD as GET) */
  putRequest: 0.005 / 1_000,
  getRequest: 0.0004 / 1_000,
  /** https://aws.amazon.com/s3/pricing/ (S3 Files: writing; the reading that brings it to the bucket; fast storage) */
  fileWriteGb: 0.06,
  fileReadGb: 0.03,
  fileStorageGbMonth: 0.3,
  /** https://aws.amazon.com/aws-transfer-family/pricing/ (one protocol, billed while stopped too; data both ways) */
  transferHour: 0.3,
  transferGb: 0.04,
} as const;

/** AWS's own month. */
const HOURS = 730;
const DAYS = 365 / 12;
const MINUTES = HOURS * 60;

/** What happens in a month. */
export interface Usage {
  readonly uploadedGb: number;
  /** Each is one object: one PUT, one HEAD for its receipt, and its lines in the log. */
  readonly files: number;
  /** Secrets that hold users; a bundle holds about 260. */
  readonly userSecrets: number;
}

/** What the stack's own settings add to it. */
const ASSUMED = {
  /** provision/launch-template.ts */
  diskGb: 8,
  /** storage.ts: data leaves the fast storage a day after its last use. */
  residenceDays: 1,
  /** The host keys' secret. */
  ownSecrets: 1,
  /** agent/config-schema.ts: one list and one batch a minute. */
  secretCallsAMinute: 2,
  /** agent/config-schema.ts: a statfs every 4 s, a file written and read back every 15 minutes, gone before an export. */
  statfsAMinute: 60 / 4,
  probesAMinute: 1 / 15,
  /** Other metadata operations of one probe: create, look-ups, sync, remove. */
  metadataAProbe: 8,
  /** S3 Files bills at least so much for a data operation, and for one on metadata. */
  leastDataGb: 32_768 / 1e9,
  metadataGb: 4_096 / 1e9,
  /**
   * Measured on 30 sessions of one upload each, with the shipper's own journal receiver: five events (login, session,
   * upload, receipt, end) of 1,270 bytes, and 26 that CloudWatch adds to each. Names longer than 30 letters add to it.
   */
  logBytesAFile: 6_500,
  /** An agent with nothing to do, the mount helper, and boots. */
  idleLogGb: 0.05,
} as const;

/** @returns dollars a month for asking Secrets Manager this many times a poll, at this pace */
export function pollingCost(poll: { readonly calls: number; readonly everySeconds: number }): number {
  return ((MINUTES * 60) / poll.everySeconds) * poll.calls * PRICES.secretCall;
}

/**
 * @param secrets those that hold users @param everySeconds between polls
 * @returns calls a poll on average: BatchGetSecretValue reads 20 secrets, ListSecrets lists 100 and is asked at each
 *   poll where that is one page, else every five minutes (agent/accounts/secrets.ts)
 */
export function callsAPoll(secrets: number, everySeconds: number): number {
  const pages = Math.ceil(secrets / 100);
  const lists = pages <= 1 ? 1 : pages * Math.min(1, everySeconds / 300);
  return Math.ceil(secrets / 20) + lists;
}

/**
 * @param asked HEAD requests for each upload: one where the first finds the object, more where S3 Files lags
 * @returns dollars for following this many uploads to their objects; what S3 Files itself bills is not in it
 */
export function deliveryCost(uploads: number, asked: { readonly headsEach: number }): number {
  return uploads * asked.headsEach * PRICES.getRequest;
}

/** @returns dollars a month for proving all the time that the mount answers and takes writes */
export function watchingCost(): number {
  const { statfsAMinute, probesAMinute, metadataAProbe, leastDataGb, metadataGb } = ASSUMED;
  const metadataReads = statfsAMinute + probesAMinute * metadataAProbe;
  const readGb = metadataReads * metadataGb + probesAMinute * leastDataGb;
  const writtenGb = probesAMinute * leastDataGb;
  return MINUTES * (readGb * PRICES.fileReadGb + writtenGb * PRICES.fileWriteGb);
}

export interface CostLine {
  readonly what: string;
  readonly dollars: number;
}

/** @returns this service's bill for one month, line by line; storage in the bucket, the same for both, left out */
export function monthlyCost(usage: Usage): CostLine[] {
  const { uploadedGb, files, userSecrets } = usage;
  const secrets = userSecrets + ASSUMED.ownSecrets;
  const polling = pollingCost({ calls: ASSUMED.secretCallsAMinute, everySeconds: 60 });
  const logGb = ASSUMED.idleLogGb + (files * ASSUMED.logBytesAFile) / 1e9;
  const stayingGb = (uploadedGb * ASSUMED.residenceDays) / DAYS;
  return [
    { what: 'instance (t4g.small)', dollars: PRICES.instanceHour * HOURS },
    { what: 'public IPv4 address', dollars: PRICES.publicIpv4Hour * HOURS },
    { what: `disk (${ASSUMED.diskGb} GB gp3)`, dollars: PRICES.diskGbMonth * ASSUMED.diskGb },
    {
      what: 'secrets, and reading them each minute',
      dollars: secrets * PRICES.secretMonth + polling,
    },
    { what: 'logs', dollars: logGb * PRICES.logGb },
    {
      what: 'S3 requests',
      dollars: files * PRICES.putRequest + deliveryCost(files, { headsEach: 1 }),
    },
    { what: 'S3 Files: writing', dollars: uploadedGb * PRICES.fileWriteGb },
    { what: 'S3 Files: bringing it to the bucket', dollars: uploadedGb * PRICES.fileReadGb },
    { what: 'S3 Files: watching the mount', dollars: watchingCost() },
    { what: 'S3 Files: fast storage, for a day', dollars: stayingGb * PRICES.fileStorageGbMonth },
  ];
}

/** @returns AWS Transfer Family's bill for the same month: one SFTP endpoint, its data, the objects' PUTs, and users' secrets */
export function transferFamilyCost({ uploadedGb, files, userSecrets }: Usage): CostLine[] {
  return [
    { what: 'endpoint', dollars: PRICES.transferHour * HOURS },
    { what: 'data', dollars: uploadedGb * PRICES.transferGb },
    { what: 'S3 requests', dollars: files * PRICES.putRequest },
    { what: 'secrets', dollars: userSecrets * PRICES.secretMonth },
  ];
}

export const sumOf = (lines: readonly CostLine[]): number =>
  lines.reduce((total, { dollars }) => total + dollars, 0);

/** GB a month at which both cost the same, for files of this size. */
export function breakEvenGb(gbAFile: number): number {
  const bill = (cost: (usage: Usage) => CostLine[], uploadedGb: number) =>
    sumOf(cost({ uploadedGb, files: uploadedGb / gbAFile, userSecrets: 1 }));
  // Both are straight lines.
  const fixed = bill(transferFamilyCost, 0) - bill(monthlyCost, 0);
  const perGb =
    bill(monthlyCost, 1) - bill(monthlyCost, 0) - bill(transferFamilyCost, 1) + bill(transferFamilyCost, 0);
  return fixed / perGb;
}
