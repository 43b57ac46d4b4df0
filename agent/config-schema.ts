import { isIP } from 'node:net';
import * as v from 'valibot';

const seconds = (least: number, most: number) =>
  v.pipe(
    v.number(`must be a number of seconds from ${least} to ${most}`),
    v.minValue(least, `must be at least ${least} seconds`),
    v.maxValue(most, `must be at most ${most} seconds`),
  );
const whole = (least: number, most: number) =>
  v.pipe(
    v.number(`must be a whole number from ${least} to ${most}`),
    v.integer('must be a whole number'),
    v.minValue(least, `must be at least ${least}`),
    v.maxValue(most, `must be at most ${most}`),
  );
const text = (pattern: RegExp, what: string) =>
  v.pipe(v.string(`must be a string: ${what}`), v.regex(pattern, `must be ${what}`));

/** One path segment that can't be an option, a dot name, or hold a control character. */
const directoryName = text(
  /^[A-Za-z0-9_][A-Za-z0-9_. -]{0,63}$/,
  'a directory name of letters, digits, space and _.-',
);

/** Where metrics go unless the configuration names another namespace; the CDK stack puts its own name behind it. */
export const METRIC_NAMESPACE = 'S3FilesSftp';

/**
 * The whole configuration with its defaults. Strict: a key that is not here is an error, since a misspelt key
 * that is ignored is a setting that silently does nothing.
 */
export const configSchema = v.strictObject({
  log_level: v.optional(
    v.picklist(['debug', 'info', 'warn', 'error'], 'must be debug, info, warn or error'),
    'info',
  ),

  aws: v.optional(
    v.strictObject({
      /** The SDK for JavaScript does not ask the instance for its region, so it is named here or in AWS_REGION. */
      region: v.optional(text(/^[a-z]{2}(-[a-z]+)+-\d$/, 'an AWS region such as "eu-central-1"')),
    }),
    {},
  ),

  users: v.optional(
    v.strictObject({
      /** Every secret whose name begins with this is a user, or a bundle of users. */
      prefix: v.optional(
        text(/^[A-Za-z0-9/_+=.@-]{1,400}$/, 'the beginning of a secret’s name'),
        's3files-sftp/users/',
      ),
      /** How long a revoked key may live on. What polls cost is in docs/cost.md: for most, less than a dollar a month. */
      poll_seconds: v.optional(seconds(1, 3600), 60),
      /** Above UID_MAX (60000) of login.defs, below systemd's dynamic and nspawn's ranges. */
      uid_min: v.optional(whole(65_536, 2_000_000_000), 200_000),
      uid_max: v.optional(whole(65_536, 2_000_000_000), 299_999),
      /** Made in each chroot for a user whose secret names none; sessions start in the first. */
      directories: v.optional(
        v.pipe(
          v.array(directoryName, 'must be a list of names'),
          v.minLength(1, 'must name at least one directory'),
          v.maxLength(16, 'must name at most 16 directories'),
        ),
        ['upload'],
      ),
      /** A sync that would remove more than max(this, the percentage) of the accounts waits for approval. */
      max_removals: v.optional(whole(0, 100_000), 3),
      max_removals_percent: v.optional(whole(0, 100), 10),
    }),
    {},
  ),

  mount: v.strictObject({
    file_system_id: text(/^fs-[0-9a-f]{8,40}$/, 'an S3 Files file system id such as "fs-0123456789abcdef0"'),
    path: v.optional(
      text(
        /^(\/[A-Za-z0-9_][A-Za-z0-9_.-]*)+$/,
        'an absolute path of letters, digits and _.-, such as "/home/sftp"',
      ),
      '/home/sftp',
    ),
    /** Further options of mount.s3files; `hard` and a random port are the helper's own defaults and stay. */
    options: v.optional(
      v.array(
        text(/^[A-Za-z0-9_.:=/-]{1,200}$/, 'one mount option such as "azid=euc1-az2"'),
        'must be a list of options',
      ),
      [],
    ),
    /** One statfs in a child process: a metadata read at the file system, some eight cents a month. */
    probe_seconds: v.optional(seconds(1, 300), 4),
    /** A probe without an answer by then counts against the mount. */
    probe_deadline_seconds: v.optional(seconds(1, 60), 4),
    /** Write, fsync, read back and unlink of a small file; also after an upload that failed, at most once a minute. */
    write_probe_seconds: v.optional(seconds(5, 86_400), 900),
    /** Longest time from one attempt to bring a dead mount back to the next. */
    max_backoff_seconds: v.optional(seconds(1, 3600), 15),
  }),

  sshd: v.optional(
    v.strictObject({
      port: v.optional(whole(1, 65_535), 2222),
      listen: v.optional(
        v.pipe(
          v.array(
            v.pipe(
              v.string('must be an IP address'),
              v.check((address) => isIP(address) !== 0, 'must be an IP address'),
            ),
            'must be a list of addresses',
          ),
          v.minLength(1, 'must name at least one address'),
        ),
        ['0.0.0.0', '::'],
      ),
      /** Partners' connections that have not authenticated yet; past it sshd refuses some, then all (start:rate:full). */
      max_startups: v.optional(
        text(/^\d{1,5}:\d{1,3}:\d{1,5}$/, 'start:rate:full such as "50:30:200"'),
        '50:30:200',
      ),
      /** A partner that answers nothing for this long, three times over, is disconnected. */
      client_alive_seconds: v.optional(seconds(0, 3600), 60),
      /** The secret that holds the host keys of all hosts, filled by the first; without it each host makes its own. */
      host_keys_secret: v.optional(
        text(/^[A-Za-z0-9/_+=.@:-]{1,512}$/, 'a secret’s name or ARN, such as "s3files-sftp/host-keys"'),
      ),
    }),
    {},
  ),

  uploads: v.strictObject({
    bucket: text(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'the name of the bucket behind the file system'),
    /** The file system's own prefix in the bucket, as it was created: empty, or ending in a slash. */
    prefix: v.optional(text(/^(|[^/].{0,900}\/)$/, 'empty, or a prefix that ends with "/"'), ''),
    /** S3 Files exports a file after 60 s without writes; before that, asking S3 is wasted money. */
    export_delay_seconds: v.optional(seconds(0, 3600), 60),
    /** A whole upload without its object by then is undelivered, and alarms. */
    delivery_deadline_seconds: v.optional(seconds(1, 86_400), 900),
    /** Watch the partners' directories too, and say when the log and the file system disagree. */
    witness: v.optional(v.boolean('must be true or false'), true),
  }),

  metrics: v.optional(
    v.strictObject({
      /** Metrics carry no dimension, so two services of one account and region must not share a namespace. */
      namespace: v.optional(
        text(
          /^(?!AWS\/)[A-Za-z0-9][A-Za-z0-9._/#-]{0,254}$/,
          'a CloudWatch namespace of letters, digits and ._/#- that does not begin with "AWS/"',
        ),
        METRIC_NAMESPACE,
      ),
      publish_seconds: v.optional(seconds(1, 3600), 60),
      /** Partners with upload metrics of their own, in the dimension User: four custom metrics each, $1.20 a month. */
      users: v.optional(
        v.pipe(
          v.array(text(/^[A-Za-z_][A-Za-z0-9_-]{0,30}$/, 'a user’s name'), 'must be a list of users’ names'),
          v.maxLength(100, 'must name at most 100 users: more would not fit one call of PutMetricData'),
        ),
        [],
      ),
    }),
    {},
  ),
});

export type Config = DeepReadonly<v.InferOutput<typeof configSchema>>;
export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
