import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { RPM_BYTES } from './synthesized.ts';

/** The stock helper's file in small, as its package lays it out. */
const HELPER_CONF = `[DEFAULT]
logging_level = INFO

[mount]
dns_name_format = {az_id}.{fs_id}.s3files.{region}.{dns_name_suffix}

[proxy]
proxy_logging_level = INFO
metrics_enabled = true
# readahead_cache_max_memory_size_mb = 1024

[cloudwatch-log]
enabled = true
log_group_name = /aws/efs/utils
`;

/** What does not go well on a host. */
export interface Trouble {
  /** Commands that fail, as the beginning of a call. */
  readonly failing?: readonly string[];
  /** What the asset bucket returns in place of the package. */
  readonly download?: string;
  /** Nobody deploys: CloudFormation refuses the signal. */
  readonly nobodyWaits?: boolean;
}

/** Who has the Elastic IP, for hosts that compete for it; EC2 has one answer for all. */
export interface Ec2 {
  holder(): string;
  /** EC2 sets an address free when its instance ends. */
  end(instance: string): void;
  readonly path: string;
}

export function fakeEc2(): Ec2 {
  const path = join(mkdtempSync(join(tmpdir(), 's3files-sftp-ec2-')), 'holder');
  const ec2: Ec2 = {
    path,
    holder: () => (existsSync(path) ? readFileSync(path, 'utf8').trim() : ''),
    end: (instance) => ec2.holder() === instance && rmSync(path),
  };
  return ec2;
}

/**
 * A directory that stands for a host's root: the boot script runs in it with bash, and every command that acts on a
 * host or on AWS is one that writes its call down.
 */
export class FakeHost {
  readonly #root = mkdtempSync(join(tmpdir(), 's3files-sftp-boot-'));
  readonly #script: string;
  readonly #ec2: Ec2;
  readonly id: string;

  constructor(script: string, ec2: Ec2 = fakeEc2(), id = 'i-0123456789abcdef0') {
    this.#ec2 = ec2;
    this.id = id;
    this.#write('etc/amazon/efs/s3files-utils.conf', HELPER_CONF);
    this.#write('var/log/cloud-init-output.log', 'Installing:\nError: nothing provides nodejs24\n');
    for (const directory of ['var/tmp', 'run']) mkdirSync(join(this.#root, directory), { recursive: true });
    this.#script = script.replaceAll(/(?<![\w.:/])\/(etc|var|opt|run|usr\/local)\//g, `${this.#root}/$1/`);
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  read(path: string): string {
    return readFileSync(join(this.#root, path), 'utf8');
  }

  /** Runs the boot script. */
  boot(trouble: Trouble = {}) {
    this.#prepare(trouble);
    return this.#run(['bash', '-c', this.#script], {});
  }

  /** Runs the minute's check as systemd does, after a boot has written it. */
  check(trouble: Trouble = {}) {
    this.#prepare(trouble);
    const environment = Object.fromEntries(
      this.read('etc/s3files-sftp-host/host.env')
        .trim()
        .split('\n')
        .map((line) => line.split('=', 2)),
    );
    return this.#run(['sh', join(this.#root, 'usr/local/sbin/s3files-sftp-host-health')], environment);
  }

  #run([file = '', ...args]: readonly string[], environment: Record<string, string>) {
    const { status, stdout, stderr } = spawnSync(file, args, {
      encoding: 'utf8',
      env: { ...environment, PATH: `${join(this.#root, 'bin')}:/usr/bin:/bin` },
    });
    const calls = existsSync(join(this.#root, 'calls')) ? this.read('calls').trimEnd().split('\n') : [];
    return { status, output: `${stdout}${stderr}`, calls };
  }

  #prepare({ failing = [], download = RPM_BYTES, nobodyWaits = false }: Trouble): void {
    rmSync(join(this.#root, 'calls'), { force: true });
    this.#write('failing', failing.map((call) => `${call}\n`).join(''));
    this.#write('package', download);
    for (const name of ['systemctl', 'dnf', 's3files-sftp', 'sleep']) this.#stub(`bin/${name}`);
    this.#stub('bin/journalctl', 'echo "agent: mount failed: access denied by server"');
    this.#stub('bin/rpm', 'echo 2023.12.20261110');
    const { path } = this.#ec2;
    this.#stub(
      'bin/curl',
      `case "$*" in
        *instance-id) echo ${this.id} ;;
        *public-ipv4) [ "$(cat ${path} 2>/dev/null)" = ${this.id} ] && echo "$ELASTIC_IP" || echo 203.0.113.77 ;;
      esac`,
    );
    this.#stub(
      'bin/aws',
      `case "$1 $2" in
        's3 cp') cp '${this.#root}/package' "\${@: -1}" ;;
        'ec2 associate-address')
          if [[ $* == *--no-allow-reassociation* && -s ${path} && $(cat ${path}) != ${this.id} ]]; then
            echo 'An error occurred (Resource.AlreadyAssociated) when calling the AssociateAddress operation' >&2
            exit 254
          fi
          fails || echo ${this.id} > ${path} ;;
      esac`,
    );
    const refusal = 'ValidationError: Stack is in UPDATE_COMPLETE state and cannot be signaled';
    this.#stub('opt/aws/bin/cfn-signal', nobodyWaits ? `echo '${refusal}' >&2; exit 1` : '');
    this.#stub('opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl');
  }

  #stub(path: string, action = ''): void {
    this.#write(
      path,
      `#!/bin/bash
call="${path.split('/').at(-1)} $*"
echo "$call" >> '${this.#root}/calls'
fails() { while read -r bad; do case "$call" in "$bad"*) return 0 ;; esac; done < '${this.#root}/failing'; return 1; }
${action}
if fails; then echo "$call does not work" >&2; exit 7; fi
`,
    );
    chmodSync(join(this.#root, path), 0o755);
  }

  #write(path: string, content: string): void {
    mkdirSync(dirname(join(this.#root, path)), { recursive: true });
    writeFileSync(join(this.#root, path), content);
  }
}

/** Where a call stands among the others; −1 where it was not made. */
export const called = (calls: readonly string[], beginning: string): number =>
  calls.findIndex((call) => call.startsWith(beginning));
