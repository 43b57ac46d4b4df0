import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hostHealthFiles } from '../../provision/host-health.ts';
import { renderShipperConfig, shipperFiles } from '../../provision/log-shipper.ts';
import { templateOf, userDataOf } from './synthesized.ts';

const GROUPS = { agentGroup: 'agents', hostGroup: 'hosts' };

interface Source {
  readonly log_group_name: string;
  readonly log_stream_name: string;
  readonly units?: readonly string[];
  readonly file_path?: string;
}
const config: { agent: object; logs: { logs_collected: Record<string, { collect_list: Source[] }> } } =
  JSON.parse(renderShipperConfig(GROUPS));
const collected = config.logs.logs_collected;
const journal = collected.journald?.collect_list ?? [];
const files = collected.files?.collect_list ?? [];

/** What amazon-cloudwatch-agent's JSON schema (1.300070.0) allows in one entry; it refuses any other key. */
const JOURNAL_KEYS = [
  ...['log_group_name', 'log_stream_name', 'log_group_class', 'retention_in_days'],
  ...['filters', 'units', 'priority', 'matches'],
];
const FILE_KEYS = [
  ...['file_path', 'log_group_name', 'log_stream_name', 'log_group_class', 'retention_in_days', 'filters'],
  ...['multi_line_start_pattern', 'timestamp_format', 'timezone', 'trim_timestamp', 'encoding'],
  ...['auto_removal', 'backpressure_mode', 'blacklist', 'publish_multi_logs'],
];

describe('the shipper’s configuration', () => {
  it('has the sections that the schema knows, and a group and a stream for each source', () => {
    expect(Object.keys(config)).toEqual(['agent', 'logs']);
    expect(Object.keys(config.logs)).toEqual(['logs_collected']);
    expect(Object.keys(collected)).toEqual(['journald', 'files']);
    for (const { log_group_name, log_stream_name } of [...journal, ...files]) {
      expect(Object.values(GROUPS)).toContain(log_group_name);
      expect(log_stream_name).toMatch(/^\{instance_id\}(\/[a-z-]+)?$/);
    }
  });

  it.each([
    ['journald', journal, JOURNAL_KEYS],
    ['files', files, FILE_KEYS],
  ])('keeps to the keys of %s, and names no source twice', (_, list, keys) => {
    expect(list.length).toBeGreaterThan(0);
    for (const entry of list) expect(keys).toEqual(expect.arrayContaining(Object.keys(entry)));
    const streams = [...journal, ...files].map((entry) => `${entry.log_group_name} ${entry.log_stream_name}`);
    expect(new Set(streams).size).toBe(streams.length);
  });

  it('reads units that exist: the package’s and the minute’s check', () => {
    const units = journal.flatMap(({ units = [] }) => units);
    expect(units).toEqual(['s3files-sftp-agent.service', 's3files-sftp-host-health.service']);
    const packaged = new URL(`../../packaging/systemd/${units[0]}`, import.meta.url);
    expect(existsSync(packaged)).toBe(true);
    expect(hostHealthFiles().map(([path]) => path)).toContain(`/etc/systemd/system/${units[1]}`);
  });

  it('reads the boot’s output and the mount helper’s logs, and not the partners’ sshd, where strangers write', () => {
    expect(files.map(({ file_path }) => file_path)).toEqual([
      '/var/log/cloud-init-output.log',
      '/var/log/amazon/efs/mount.log',
      '/var/log/amazon/efs/mount-watchdog.log',
      '/var/log/amazon/efs/*.efs-proxy.log',
    ]);
    expect(JSON.stringify(config)).not.toMatch(/sshd|"matches"/);
  });

  it('creates no group and no retention, which are the stack’s', () => {
    expect(JSON.stringify(config)).not.toMatch(/retention|log_group_class/);
    const template = templateOf();
    const { bootScript } = userDataOf(template);
    const groups = Object.keys(template.findResources('AWS::Logs::LogGroup')).map((id) => `<${id}>`);
    const named = [...bootScript.matchAll(/"log_group_name": "([^"]+)"/g)].map(([, name]) => name ?? '');
    expect(named).toHaveLength(journal.length + files.length);
    expect(new Set(named)).toEqual(new Set(groups));
  });

  it('comes with a bound on memory, in the unit’s own drop-in', () => {
    const [, [path = '', content = ''] = []] = shipperFiles(GROUPS);
    expect(path).toBe('/etc/systemd/system/amazon-cloudwatch-agent.service.d/memory.conf');
    expect(content).toMatch(
      /^\[Service\]\nEnvironment=GOMEMLIMIT=\d+MiB\nMemoryHigh=\d+M\nMemoryMax=\d+M\n$/,
    );
  });
});

describe('the runbook', () => {
  it('says what each stream holds', () => {
    const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
    for (const { log_stream_name } of [...journal, ...files]) {
      const stream = log_stream_name.split('/')[1] ?? 'one stream a host';
      expect(runbook).toMatch(new RegExp(`^\\| (agent|host), .*${stream}.*\\|.*\\|.*\\|$`, 'm'));
    }
  });
});
