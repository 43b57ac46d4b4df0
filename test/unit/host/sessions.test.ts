import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endSessions, listSessions } from '../../../agent/host/sessions.ts';
import type { Exec } from '../../../agent/os/exec.ts';

const UNIT = 's3files-sftp-sshd.service';
const V2 = `0::/system.slice/${UNIT}\n`;
const HYBRID = `9:name=systemd:/system.slice/${UNIT}\n4:memory:/x\n0::/system.slice/other.service\n`;
const KEY = `SHA256:${'a'.repeat(43)}`;
const OTHER = `SHA256:${'b'.repeat(43)}`;
/** Whoever runs the tests owns the fixture tree; the product wants root there. */
const IS_ROOT = process.getuid?.() === 0;

let procRoot: string;
beforeEach(() => {
  procRoot = mkdtempSync(join(tmpdir(), 's3files-sftp-proc-'));
  mkdirSync(join(procRoot, 'sys/kernel/random'), { recursive: true });
  writeFileSync(join(procRoot, 'sys/kernel/random/boot_id'), '01234567-89ab-cdef-0123-456789abcdef\n');
});
afterEach(() => rmSync(procRoot, { recursive: true, force: true }));

interface Fake {
  readonly title: string;
  readonly parent?: number;
  readonly cgroup?: string;
  readonly start?: number;
  readonly state?: string;
}

function put(pid: number, { title, parent = 1, cgroup = V2, start = 1000, state = 'S' }: Fake): void {
  mkdirSync(join(procRoot, String(pid)), { recursive: true });
  const rest = Array.from({ length: 17 }, () => '0').join(' ');
  writeFileSync(
    join(procRoot, String(pid), 'stat'),
    `${pid} (sshd) x) ${state} ${parent} ${rest} ${start} 0 0\n`,
  );
  writeFileSync(join(procRoot, String(pid), 'cmdline'), `${title}\0\0\0`);
  writeFileSync(join(procRoot, String(pid), 'cgroup'), cgroup);
}
const vanish = (pid: number) => rmSync(join(procRoot, String(pid)), { recursive: true });

const accepted = (pid: number, user: string, fingerprint: string, more: Record<string, unknown> = {}) => ({
  MESSAGE: `Accepted publickey for ${user} from 192.0.2.1 port 40000 ssh2: ED25519 ${fingerprint}`,
  _PID: String(pid),
  _UID: '0',
  __MONOTONIC_TIMESTAMP: '10050000',
  ...more,
});
const journal =
  (...entries: unknown[]): Exec =>
  async (argv) => ({
    outcome: 'exited',
    code: 0,
    stdout: argv.includes('--sync')
      ? ''
      : `${entries.map((entry) => JSON.stringify(entry)).join('\n')}\n-- cut`,
    stderr: '',
  });

describe.runIf(IS_ROOT)('listSessions', () => {
  it('finds monitors of both names in the unit’s cgroup, in both layouts, and nothing else', () => {
    put(10, { title: 'sshd: alice [priv]' });
    put(11, { title: 'sshd-session: bob [priv]', cgroup: HYBRID });
    put(12, { title: 'sshd: alice@internal-sftp', parent: 10 });
    put(13, { title: 'sshd: admin [priv]', cgroup: '0::/system.slice/sshd.service\n' });
    put(14, { title: 'sshd: carol [priv]', cgroup: `0::/user.slice/x-${UNIT}\n` });
    put(15, { title: 'sshd: dave [priv] x' });
    put(16, { title: 'sshd: eve [priv]', state: 'Z' });
    put(17, { title: 'sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups' });
    mkdirSync(join(procRoot, '18'));
    expect(listSessions({ procRoot }).map(({ user, pid }) => [user, pid])).toEqual([
      ['alice', 10],
      ['bob', 11],
    ]);
  });
});

describe.runIf(IS_ROOT)('endSessions', () => {
  const end = async (
    fingerprints: readonly string[] | undefined,
    exec: Exec,
    ignores: readonly string[] = [],
  ) => {
    const signals: [number, string][] = [];
    const kill = (pid: number, name: string) => {
      signals.push([pid, name]);
      if (!ignores.includes(name)) vanish(pid);
    };
    const wish = { user: 'alice', fingerprints: fingerprints ?? null };
    const count = (await endSessions([wish], { procRoot, exec, kill })).get('alice');
    return { count, signals };
  };

  it('ends the session that a key opened, with its children, and leaves those of other keys and users', async () => {
    put(10, { title: 'sshd: alice [priv]' });
    put(20, { title: 'sshd: alice@notty', parent: 10 });
    put(21, { title: 'sshd: alice@internal-sftp', parent: 20 });
    put(11, { title: 'sshd: alice [priv]' });
    put(12, { title: 'sshd: bob [priv]' });
    const log = journal(accepted(10, 'alice', KEY), accepted(11, 'alice', OTHER));
    expect(await end([KEY], log)).toEqual({
      count: 1,
      signals: [
        [10, 'SIGTERM'],
        [20, 'SIGTERM'],
        [21, 'SIGTERM'],
      ],
    });
  });

  it.each([
    ['has no line', []],
    [
      'has only the line of an earlier process with its pid',
      [accepted(10, 'alice', OTHER, { __MONOTONIC_TIMESTAMP: '9000000' })],
    ],
    ['has a line for another user', [accepted(10, 'bob', OTHER)]],
    [
      'has a line that only contains the text',
      [accepted(10, 'alice', OTHER, { MESSAGE: `Invalid user x ${accepted(10, 'alice', OTHER).MESSAGE}` })],
    ],
    ['has a line in bytes', [accepted(10, 'alice', OTHER, { MESSAGE: [1, 2] })]],
  ])('takes a session that %s for one of the revoked key', async (_, entries) => {
    put(10, { title: 'sshd: alice [priv]' });
    expect((await end([KEY], journal(...entries))).count).toBe(1);
  });

  it('takes every session for one of the revoked key when the journal can’t be read', async () => {
    put(10, { title: 'sshd: alice [priv]' });
    expect((await end([KEY], async () => ({ outcome: 'unstartable', cause: new Error('no') }))).count).toBe(
      1,
    );
  });

  it('ends all of a user’s sessions without asking the journal', async () => {
    put(10, { title: 'sshd: alice [priv]' });
    put(11, { title: 'sshd: alice [priv]' });
    const exec: Exec = async () => {
      throw new Error('asked');
    };
    expect((await end(undefined, exec)).count).toBe(2);
  });

  it('kills what ignores the polite signal, and says so when even that survives', async () => {
    put(10, { title: 'sshd: alice [priv]' });
    const { signals } = await end(undefined, journal(), ['SIGTERM']);
    expect(signals).toEqual([
      [10, 'SIGTERM'],
      [10, 'SIGKILL'],
    ]);
    put(11, { title: 'sshd: alice [priv]' });
    put(12, { title: 'sshd: bob [priv]' });
    const kill = (pid: number) => pid === 12 && vanish(pid);
    const both = ['alice', 'bob'].map((user) => ({ user, fingerprints: null }));
    const outcomes = await endSessions(both, { procRoot, exec: journal(), kill });
    expect(outcomes.get('alice')).toMatchObject({ message: expect.stringContaining('survived SIGKILL') });
    expect(outcomes.get('bob')).toBe(1);
  });

  it('never signals a process that got the pid of one that ended', async () => {
    put(10, { title: 'sshd: alice [priv]' });
    put(20, { title: 'sshd: alice@notty', parent: 10 });
    const signals: number[] = [];
    const kill = (pid: number) => {
      signals.push(pid);
      vanish(pid);
      // The monitor's child dies with it, and its pid goes to somebody else's process at once.
      if (pid === 10) put(20, { title: 'backup', cgroup: '0::/', start: 2000 });
    };
    await endSessions([{ user: 'alice', fingerprints: null }], { procRoot, exec: journal(), kill });
    expect(signals).toEqual([10]);
  });

  it('finds a login that was under way when the key went', async () => {
    const late = setTimeout(() => put(10, { title: 'sshd: alice [priv]' }), 50);
    expect((await end([KEY], journal(accepted(10, 'alice', KEY)))).count).toBe(1);
    clearTimeout(late);
  });
});
