import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runMountDirectories } from '../../../agent/accounts/mount-directories.ts';
import type { MountRequest } from '../../../agent/accounts/mount-request.ts';
import { parseSecret } from '../../../agent/accounts/secret-parse.ts';
import type { SecretReading, SecretsSource } from '../../../agent/accounts/secrets-source.ts';
import { type AccountSync, createAccountSync } from '../../../agent/accounts/sync.ts';
import { parseConfig } from '../../../agent/config.ts';
import type { SessionEnding } from '../../../agent/host/sessions.ts';
import { createLog } from '../../../agent/log.ts';
import { OperationError } from '../../../agent/operation-error.ts';
import { type Argv, type Exec, type ExecOptions, exec } from '../../../agent/os/exec.ts';

/** These tests make accounts with the host's real tools in a root of their own, which needs root and Linux. */
export const CAN_MAKE_ACCOUNTS = process.platform === 'linux' && process.getuid?.() === 0;

export interface World {
  readonly directory: string;
  readonly mount: string;
  /** Secrets by name: a text, `denied`, or `deleted` as Secrets Manager would say of a secret asked for by name. */
  readonly secrets: Map<string, string | { readonly error: 'denied' | 'deleted' }>;
  /** What went wrong with the listing, if it should. */
  outage: boolean;
  /** How many secrets that are gone a poll gets to see before it is throttled; null: all, and it is not. */
  partial: number | null;
  mountServing: boolean;
  now: number;
  readonly commands: Argv[];
  readonly ended: (SessionEnding & { readonly keyFile: string | null })[];
  readonly chroots: (readonly string[])[];
  readonly lines: string[];
  /** Called before each command; may throw to stand for a crash, or answer in the command's place. */
  intercept: (argv: Argv, options: ExecOptions) => Awaited<ReturnType<Exec>> | ReturnType<Exec> | undefined;
  /** Called before sessions are ended; may throw to stand for a crash. */
  beforeEnding: () => void;
  /** A new agent on the same host. */
  start(extra?: string): AccountSync;
  poll(sync: AccountSync): ReturnType<AccountSync['poll']>;
  etc(file: string): string;
  keyFile(user: string): string | null;
  setSecret(name: string, value: unknown): void;
  close(): void;
}

/** A host in a temporary directory: account files, keys, ledger and a "mount"; Secrets Manager is a map. */
export function createWorld(): World {
  const directory = mkdtempSync(join(tmpdir(), 's3files-sftp-world-'));
  const mount = join(directory, 'mnt');
  chmodSync(directory, 0o755);
  for (const name of ['etc', 'keys', 'state', 'mnt']) mkdirSync(join(directory, name), { mode: 0o755 });
  const etc = (file: string) => join(directory, 'etc', file);
  writeFileSync(etc('passwd'), 'root:x:0:0::/:/bin/sh\noperator1:x:1000:1000::/home/operator1:/bin/bash\n');
  writeFileSync(etc('group'), 'root:x:0:\noperator1:x:1000:\nwebteam:x:1001:operator1\n');
  writeFileSync(etc('shadow'), 'root:*:19000::::::\noperator1:$6$x$y:19000::::::\n');
  writeFileSync(etc('gshadow'), '');
  const keyFile = (user: string) => {
    try {
      return readFileSync(join(directory, 'keys', user), 'utf8');
    } catch {
      return null;
    }
  };

  const world: World = {
    directory,
    mount,
    secrets: new Map(),
    outage: false,
    partial: null,
    mountServing: true,
    now: Date.parse('2026-03-01T12:00:00Z'),
    commands: [],
    ended: [],
    chroots: [],
    lines: [],
    intercept: () => undefined,
    beforeEnding: () => {},
    start(extra = '') {
      const config = parseConfig(
        `[mount]\nfile_system_id="fs-0123456789abcdef0"\n[uploads]\nbucket="b-u"\n${extra}`,
      );
      const placed = { ...config, mount: { ...config.mount, path: mount } };
      const hooks = {
        mountServing: () => world.mountServing,
        endSessions: async (endings: readonly SessionEnding[]) => {
          world.beforeEnding();
          for (const { user, fingerprints } of endings)
            world.ended.push({ user, fingerprints, keyFile: keyFile(user) });
          return new Map(endings.map(({ user }) => [user, 1]));
        },
        chrootsChanged: async (users: readonly string[]) => {
          world.chroots.push(users);
        },
      };
      const paths = {
        root: directory,
        passwd: etc('passwd'),
        group: etc('group'),
        shadow: etc('shadow'),
        keys: join(directory, 'keys'),
        ledger: join(directory, 'state', 'accounts.json'),
      };
      return createAccountSync(() => placed, hooks, {
        exec: runCommand(world),
        log: createLog('debug', { write: (line) => world.lines.push(line) }),
        now: () => world.now,
        monotonicMs: () => performance.now(),
        secrets: secretsOf(world),
        selfArgv: ['node', 'main.js'],
        paths,
        mountPoint: false,
      });
    },
    poll: (sync) => sync.poll(AbortSignal.timeout(60_000)),
    etc: (file) => readFileSync(etc(file), 'utf8'),
    keyFile,
    setSecret: (name, value) => {
      world.secrets.set(
        `s3files-sftp/users/${name}`,
        typeof value === 'string' ? value : JSON.stringify(value),
      );
    },
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
  return world;
}

function runCommand(world: World): Exec {
  return async (argv, options = {}) => {
    world.commands.push(argv);
    const answer = world.intercept(argv, options);
    if (answer) return await answer;
    if (argv[0] !== 'systemd-run') return await exec(argv, options);
    const request = JSON.parse(options.input ?? '') as MountRequest;
    const stdout = JSON.stringify(runMountDirectories(request, world.mount));
    return { outcome: 'exited', code: 0, stdout, stderr: '' };
  };
}

function secretsOf(world: World): SecretsSource {
  const versionOf = (text: string) => `v${text.length}-${text}`;
  return {
    async read(known, prefix) {
      if (world.outage) {
        return {
          readings: [],
          failure: new OperationError({ op: 'list secrets', target: prefix }, 'throttled'),
        };
      }
      const names = new Set([
        ...known.keys(),
        ...[...world.secrets.keys()].filter((name) => name.startsWith(prefix)),
      ]);
      const readings = [...names].map((secret): SecretReading => {
        const value = world.secrets.get(secret) ?? { error: 'deleted' };
        if (typeof value !== 'string') {
          if (value.error === 'deleted') return { secret, state: 'gone' };
          return {
            secret,
            state: 'unread',
            problem: 'can’t be read: AccessDeniedException',
            hint: 'allow it',
          };
        }
        const versionId = versionOf(value);
        if (known.get(secret) === versionId) return { secret, state: 'unchanged' };
        return { secret, state: 'changed', document: parseSecret({ secret, versionId, text: value }) };
      });
      if (world.partial === null) return { readings, failure: null };
      let left = world.partial;
      const seen = readings.filter(({ state }) => state !== 'gone' || left-- > 0);
      return {
        readings: seen,
        failure: new OperationError({ op: 'read secrets', target: prefix }, 'throttled'),
      };
    },
  };
}
