/** One table of the dashboard, made by CloudWatch Logs Insights. */
export interface LogTable {
  readonly title: string;
  readonly group: 'agent' | 'host';
  readonly query: readonly string[];
}

/**
 * Takes a field out of the agent's JSON line, which names fields as Transfer Family's log does. The shipper hands
 * a journal entry on as JSON of its own, in which the agent's line is an escaped string; the pattern reads both
 * forms, so the tables outlive a change of the shipper. The first match counts: identity, kind and user stand
 * before anything that a partner can choose, such as a path.
 */
function field(name: string, as: string, value: 'text' | 'number'): string {
  const pattern = value === 'text' ? String.raw`\\*"(?<${as}>[^"\\]*)` : `(?<${as}>[0-9]+)`;
  return String.raw`parse @message /\\*"${name}\\*": ?${pattern}/`;
}

const KIND = field('activity-type', 'kind', 'text');
const PARTNER = field('user', 'partner', 'text');

export const LOG_TABLES: readonly LogTable[] = [
  {
    title: 'Uploads per partner',
    group: 'agent',
    query: [
      KIND,
      PARTNER,
      field('bytes-in', 'size', 'number'),
      'filter kind = "CLOSE" and ispresent(size)',
      'stats count(*) as files, sum(size) as bytes, max(@timestamp) as latest by partner',
      'sort files desc',
    ],
  },
  {
    title: 'Uploads that broke off, per partner',
    group: 'agent',
    query: [
      KIND,
      PARTNER,
      field('reason', 'cause', 'text'),
      'filter kind = "PARTIAL_CLOSE"',
      'stats count(*) as files, max(@timestamp) as latest by partner, cause',
      'sort files desc',
    ],
  },
  {
    title: 'Deliveries per partner (seconds until in the bucket)',
    group: 'agent',
    query: [
      field('event-id', 'event', 'text'),
      PARTNER,
      field('lag-seconds', 'lag', 'number'),
      String.raw`filter event like /\.receipt$/`,
      'stats count(*) as files, pct(lag, 50) as median, pct(lag, 95) as p95, max(lag) as longest by partner',
      'sort longest desc',
    ],
  },
  {
    title: 'Refused logins per user name and address',
    group: 'agent',
    query: [
      KIND,
      PARTNER,
      field('source-ip', 'source', 'text'),
      'filter kind = "AUTH_FAILURE"',
      'stats count(*) as attempts, max(@timestamp) as latest by partner, source',
      'sort attempts desc',
      'limit 50',
    ],
  },
  {
    title: 'Warnings and errors of the agent',
    group: 'agent',
    query: [
      String.raw`filter @message like /\\*"level\\*":\\*"(warn|error|fatal)\\*"/`,
      field('level', 'severity', 'text'),
      field('msg', 'message', 'text'),
      'display @timestamp, severity, message',
      'sort @timestamp desc',
      'limit 50',
    ],
  },
  {
    title: 'Hosts, with their Amazon Linux release and packages',
    group: 'host',
    query: [
      'filter @message like /s3files-sftp boot: (instance|package|ready|FAILED|LOGS)/',
      'display @timestamp, @message',
      'sort @timestamp desc',
      'limit 50',
    ],
  },
];

/** The lines of a query, as the console shows them. */
export function insightsQuery(table: LogTable): string[] {
  return ['fields @timestamp, @message', ...table.query];
}
