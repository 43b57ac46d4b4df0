import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runMountDirectories } from '../../../agent/accounts/mount-directories.ts';
import type { MountRequest } from '../../../agent/accounts/mount-request.ts';
import { renderPlan } from '../../../agent/commands/plan.ts';
import { exec } from '../../../agent/os/exec.ts';
import { execOk } from '../../../agent/os/exec-ok.ts';
import { ed25519Line, fingerprintOf } from './keys.ts';
import { CAN_MAKE_ACCOUNTS, createWorld, type World } from './world.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});
afterEach(() => world.close());

const passwdLine = (user: string) =>
  world
    .etc('passwd')
    .split('\n')
    .find((line) => line.startsWith(`${user}:`));
const shadowField = (user: string) =>
  world
    .etc('shadow')
    .split('\n')
    .find((line) => line.startsWith(`${user}:`))
    ?.split(':')[1];
const uidOf = (user: string) => Number(passwdLine(user)?.split(':')[2]);

describe.runIf(CAN_MAKE_ACCOUNTS)('a new partner', () => {
  it('becomes an account that can do nothing but log in with its key into its chroot', async () => {
    const key = ed25519Line();
    world.setSecret('alice', { publicKeys: [key], uid: 210_000 });
    const sync = world.start();
    const report = await world.poll(sync);

    expect(report).toMatchObject({ active: 1, held: 0, problems: [], lastSuccessAt: world.now });
    expect(passwdLine('alice')).toBe('alice:x:210000:210000:s3files-sftp partner:/:/sbin/nologin');
    expect(world.etc('group')).toMatch(/^alice:x:210000:$/m);
    expect(world.etc('group')).toMatch(/^s3files-sftp:x:\d+:alice$/m);
    expect(shadowField('alice')).toBe('*');
    expect(world.keyFile('alice')?.split('\n').slice(1)).toEqual([
      `restrict ${key.split(' ').slice(0, 2).join(' ')}`,
      '',
    ]);
    const file = statSync(join(world.directory, 'keys', 'alice'));
    expect([file.uid, file.gid, file.mode & 0o7777]).toEqual([0, 210_000, 0o640]);
    const chroot = statSync(join(world.mount, 'alice'));
    expect([chroot.uid, chroot.gid, chroot.mode & 0o7777]).toEqual([0, 0, 0o755]);
    const upload = statSync(join(world.mount, 'alice', 'upload'));
    expect([upload.uid, upload.gid, upload.mode & 0o7777]).toEqual([210_000, 210_000, 0o755]);
    expect(statSync(join(world.mount, 'alice', 'dev')).uid).toBe(0);
    expect(world.chroots.at(-1)).toEqual(['alice']);
  });

  it('is opened afterwards where systemd is too old to do so as it makes the account', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    world.intercept = (argv, options) =>
      argv[0] === 'systemd-sysusers' ? exec(argv, { ...options, env: {} }) : undefined;
    expect(await world.poll(world.start())).toMatchObject({ active: 1, problems: [] });
    expect(world.commands.map(([tool]) => tool)).toContain('chpasswd');
    expect(shadowField('alice')).toBe('*');
  });

  it('needs no command and no write at the next pass', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    const sync = world.start();
    await world.poll(sync);
    const ledger = statSync(join(world.directory, 'state', 'accounts.json')).mtimeMs;
    const keys = statSync(join(world.directory, 'keys')).mtimeMs;
    world.commands.length = 0;
    await world.poll(sync);
    expect(world.commands).toEqual([]);
    expect(statSync(join(world.directory, 'state', 'accounts.json')).mtimeMs).toBe(ledger);
    expect(statSync(join(world.directory, 'keys')).mtimeMs).toBe(keys);
  });

  it('waits for the mount, which is no problem of its own, and is made when it serves', async () => {
    world.mountServing = false;
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    const sync = world.start();
    expect(await world.poll(sync)).toMatchObject({ active: 0, held: 0 });
    expect(passwdLine('alice')).toBeUndefined();
    world.mountServing = true;
    expect(await world.poll(sync)).toMatchObject({ active: 1, held: 0 });
  });

  it('has the same uid on a replaced host', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    await world.poll(world.start());
    const uid = uidOf('alice');
    const other = createWorld();
    rmSync(other.mount, { recursive: true });
    symlinkSync(world.mount, other.mount);
    try {
      for (const [name, value] of world.secrets) other.secrets.set(name, value);
      other.setSecret('bob', { publicKeys: [ed25519Line()] });
      const sync = other.start();
      // The mount's own root is no link on a host; here it is, so name the real one.
      Object.assign(other, { mount: world.mount });
      await other.poll(sync);
      expect(Number(/^alice:x:(\d+):/m.exec(other.etc('passwd'))?.[1])).toBe(uid);
    } finally {
      rmSync(other.directory, { recursive: true, force: true });
    }
  });

  it.each([
    ['operator1', 'has an account of that name'],
    ['webteam', 'has a group of that name'],
    ['root', 'reserved'],
    ['ec2-user', 'reserved'],
    ['acme.corp', 'Transfer Family allows'],
    ['-rf', 'begins with'],
    ['x'.repeat(32), '32 characters'],
    ['a\nb', 'something other'],
    ['', 'is empty'],
    ['__proto__', 'reserved'],
    ['constructor', undefined],
  ])('named %j in a bundle does not stop the others', async (name, problem) => {
    const before = [passwdLine('operator1'), shadowField('operator1')];
    const user = { publicKeys: [ed25519Line()] };
    world.setSecret(
      'bundle',
      `{"users":{${JSON.stringify(name)}:${JSON.stringify(user)},"zoe":${JSON.stringify(user)}}}`,
    );
    const report = await world.poll(world.start());
    expect(uidOf('zoe')).toBeGreaterThanOrEqual(200_000);
    expect([passwdLine('operator1'), shadowField('operator1')]).toEqual(before);
    if (problem !== undefined) expect(report.problems.map((each) => each.problem).join()).toContain(problem);
    else expect(report.problems).toEqual([]);
    expect(report.active).toBe(name === 'constructor' ? 2 : 1);
  });
});

describe.runIf(CAN_MAKE_ACCOUNTS)('a key that is revoked', () => {
  it('is gone from the file before its sessions are ended, in the same pass; others are left alone', async () => {
    const [old, kept, fresh] = [ed25519Line(), ed25519Line(), ed25519Line()];
    world.setSecret('alice', { publicKeys: [old, kept] });
    const sync = world.start();
    await world.poll(sync);
    world.setSecret('alice', { publicKeys: [kept, fresh] });
    await world.poll(sync);
    expect(world.ended).toHaveLength(1);
    const [ending] = world.ended;
    expect(ending).toMatchObject({ user: 'alice', fingerprints: [fingerprintOf(old)] });
    expect(ending?.keyFile).not.toContain(old.split(' ')[1]);
    expect(ending?.keyFile).toContain(fresh.split(' ')[1]);
  });

  it('leaves with its file when the disk is too full to write a new one', async () => {
    const [old, kept] = [ed25519Line(), ed25519Line()];
    world.setSecret('alice', { publicKeys: [old, kept] });
    const sync = world.start();
    await world.poll(sync);
    world.setSecret('alice', { publicKeys: [kept] });
    await fillUp(join(world.directory, 'keys'), async () => {
      // Correct owner and mode come with the copy's repair, which needs room too: so the revocation is what is seen.
      const report = await world.poll(sync);
      expect(world.keyFile('alice')).toBeNull();
      expect(world.ended).toHaveLength(1);
      expect(report.problems.map(({ user }) => user)).toContain('alice');
    });
    await world.poll(sync);
    expect(sync.report()).toMatchObject({ active: 1, problems: [] });
    expect(world.keyFile('alice')).toContain(kept.split(' ')[1]);
    expect(world.keyFile('alice')).not.toContain(old.split(' ')[1]);
  });

  it('leaves with its file on a full disk also after one whose file can’t be removed', async () => {
    const kept = { alice: ed25519Line(), bob: ed25519Line() };
    for (const [name, key] of Object.entries(kept))
      world.setSecret(name, { publicKeys: [ed25519Line(), key] });
    const sync = world.start();
    await world.poll(sync);
    for (const [name, key] of Object.entries(kept)) world.setSecret(name, { publicKeys: [key] });
    await fillUp(join(world.directory, 'keys'), async () => {
      const path = join(world.directory, 'keys', 'alice');
      // What is mounted on can be neither removed nor replaced.
      await execOk(exec, ['mount', '--bind', path, path]);
      try {
        const { problems } = await world.poll(sync);
        expect(world.keyFile('bob')).toBeNull();
        expect(problems.filter(({ user }) => user === 'alice').map(({ problem }) => problem)).toEqual(
          expect.arrayContaining([expect.stringMatching(/^remove .*EBUSY/)]),
        );
      } finally {
        await execOk(exec, ['umount', path]);
      }
    });
    expect(await world.poll(sync)).toMatchObject({ active: 2, problems: [] });
  });

  it('goes even when the ledger can’t be written, and the ledger follows when it can', async () => {
    const [old, kept] = [ed25519Line(), ed25519Line()];
    world.setSecret('alice', { publicKeys: [old, kept] });
    const sync = world.start();
    await world.poll(sync);
    world.setSecret('alice', { publicKeys: [kept] });
    await fillUp(join(world.directory, 'state'), async () => {
      await expect(world.poll(sync)).rejects.toThrow('accounts.json');
      expect(world.keyFile('alice')).not.toContain(old.split(' ')[1]);
      expect(world.ended).toHaveLength(1);
    });
    await world.poll(sync);
    const text = readFileSync(join(world.directory, 'state', 'accounts.json'), 'utf8');
    expect(text).not.toContain(old.split(' ')[1]);
    expect(text).toContain(kept.split(' ')[1]);
  });

  it('has its sessions ended after a crash in between, with no AWS and no word of the key left but in the ledger', async () => {
    const [old, kept] = [ed25519Line(), ed25519Line()];
    world.setSecret('alice', { publicKeys: [old, kept] });
    const crashed = world.start();
    await world.poll(crashed);
    world.setSecret('alice', { publicKeys: [kept] });
    world.beforeEnding = () => {
      throw new Error('kill -9');
    };
    await expect(world.poll(crashed)).rejects.toThrow('kill -9');
    world.beforeEnding = () => {};
    world.outage = true;
    await expect(world.poll(world.start())).rejects.toThrow('throttled');
    expect(world.ended).toMatchObject([{ user: 'alice', fingerprints: [fingerprintOf(old)] }]);
    expect(world.keyFile('alice')).not.toContain(old.split(' ')[1]);
  });

  it('by expiry ends its sessions without AWS', async () => {
    const [short, long] = [ed25519Line(), ed25519Line()];
    world.setSecret('alice', { publicKeys: [{ key: short, expires: '2026-03-02' }, long] });
    const sync = world.start();
    await world.poll(sync);
    expect(world.keyFile('alice')).toContain(`restrict,expiry-time="20260302000000" ${short.split(' ')[0]}`);
    expect(sync.expiryDue()).toBe(false);
    world.now = Date.parse('2026-03-02T00:00:01Z');
    expect(sync.expiryDue()).toBe(true);
    world.outage = true;
    await expect(world.poll(sync)).rejects.toThrow('throttled');
    expect(world.ended).toMatchObject([{ user: 'alice', fingerprints: [fingerprintOf(short)] }]);
    expect(sync.expiryDue()).toBe(false);
    world.now = Date.parse('2026-03-01T13:00:00Z');
    world.outage = false;
    await world.poll(sync);
    expect(world.keyFile('alice')).toContain(short.split(' ')[1]);
  });
});

describe.runIf(CAN_MAKE_ACCOUNTS)('removal', () => {
  const users = (names: string[]) => {
    for (const name of names) world.setSecret(name, { publicKeys: [ed25519Line()] });
  };

  it('takes keys and sessions, locks the account, and keeps data and uid for a return', async () => {
    users(['alice', 'bob']);
    const sync = world.start();
    await world.poll(sync);
    const uid = uidOf('alice');
    world.secrets.delete('s3files-sftp/users/alice');
    expect(await world.poll(sync)).toMatchObject({ active: 1, held: 0 });
    expect(world.keyFile('alice')).toBeNull();
    expect(world.ended).toEqual([{ user: 'alice', fingerprints: null, keyFile: null }]);
    expect(shadowField('alice')).toBe('!*');
    expect(lstatSync(join(world.mount, 'alice', 'upload')).uid).toBe(uid);
    users(['alice']);
    expect(await world.poll(sync)).toMatchObject({ active: 2 });
    expect(uidOf('alice')).toBe(uid);
    expect(shadowField('alice')).toBe('*');
  });

  it('happens to nobody while secrets can’t be listed, are denied, or can’t be parsed', async () => {
    users(['alice', 'bob', 'carol']);
    const sync = world.start();
    await world.poll(sync);
    world.secrets.set('s3files-sftp/users/alice', { error: 'denied' });
    world.setSecret('bob', '{"publicKeys": [');
    world.setSecret('carol', { publicKeys: ['command="/bin/sh" ssh-ed25519 AAAA'] });
    const report = await world.poll(sync);
    expect(report).toMatchObject({ active: 3, held: 3 });
    expect(world.ended).toEqual([]);
    world.outage = true;
    await expect(world.poll(sync)).rejects.toThrow('throttled');
    expect(sync.report()).toMatchObject({ active: 3 });
  });

  it('beyond the guard is held until exactly that plan is approved; additions and revocations go on', async () => {
    const names = ['a1', 'a2', 'a3', 'a4', 'a5', 'a6'];
    users(names);
    const [old, kept] = [ed25519Line(), ed25519Line()];
    world.setSecret('zoe', { publicKeys: [old, kept] });
    const sync = world.start();
    await world.poll(sync);
    for (const name of names.slice(0, 4)) world.secrets.delete(`s3files-sftp/users/${name}`);
    world.setSecret('a5', { publicKeys: [] });
    world.setSecret('zoe', { publicKeys: [kept] });
    world.setSecret('newcomer', { publicKeys: [ed25519Line()] });
    const held = await world.poll(sync);
    expect(held).toMatchObject({ active: 8, held: 5 });
    expect(held.heldPlan?.removals).toHaveLength(5);
    expect(world.ended).toMatchObject([{ user: 'zoe' }]);

    const hash = held.heldPlan?.hash ?? '';
    world.setSecret('a6', { enabled: false, publicKeys: [ed25519Line()] });
    sync.approve(hash);
    const changed = await world.poll(sync);
    expect(changed).toMatchObject({ active: 8, held: 6 });
    sync.approve(changed.heldPlan?.hash ?? '');
    expect(await world.poll(sync)).toMatchObject({ active: 2, held: 0, heldPlan: null });
    expect(shadowField('a6')).toBe('!*');
  });

  it('of 500 in one listing is held, and when it is approved all go in one pass', async () => {
    const bundle = (index: number) =>
      Object.fromEntries(
        Array.from({ length: 250 }, (_, at) => [`user${index * 250 + at}`, { publicKeys: [ed25519Line()] }]),
      );
    for (let index = 0; index < 2; index += 1) world.setSecret(`bundle${index}`, { users: bundle(index) });
    users(['rita']);
    const sync = world.start();
    expect(await world.poll(sync)).toMatchObject({ active: 501, held: 0 });
    for (let index = 0; index < 2; index += 1) world.secrets.delete(`s3files-sftp/users/bundle${index}`);
    users(['nick']);
    const { heldPlan } = await world.poll(sync);
    expect(sync.report()).toMatchObject({ active: 502, held: 500 });
    expect(world.keyFile('user0')).not.toBeNull();
    world.commands.length = 0;
    sync.approve(heldPlan?.hash ?? '');
    expect(await world.poll(sync)).toMatchObject({ active: 2, held: 0, heldPlan: null });
    expect(readdirSync(join(world.directory, 'keys')).sort()).toEqual(['nick', 'rita']);
    expect(world.etc('shadow').match(/^user\d+:!\*:/gm)).toHaveLength(500);
    expect(world.ended).toHaveLength(500);
    expect(world.commands).toEqual([['chpasswd', '-e', '-R', world.directory]]);
  }, 120_000);

  it('that is held stays held when new users make it look small, and through a restart', async () => {
    users(['a1', 'a2', 'a3', 'a4']);
    await world.poll(world.start());
    for (const name of ['a1', 'a2', 'a3', 'a4']) world.secrets.delete(`s3files-sftp/users/${name}`);
    users(Array.from({ length: 40 }, (_, index) => `new${index}`));
    const sync = world.start();
    const { heldPlan } = await world.poll(sync);
    expect(heldPlan?.removals).toHaveLength(4);
    expect(await world.poll(sync)).toMatchObject({ active: 44, heldPlan });
    const again = world.start();
    expect(await world.poll(again)).toMatchObject({ active: 44, heldPlan });
    again.approve(heldPlan?.hash ?? '');
    expect(await world.poll(again)).toMatchObject({ active: 40, heldPlan: null });
  });

  it('of some happens on no poll that was throttled, nor after a restart', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `u${index}`);
    users(names);
    await world.poll(world.start());
    for (const name of names.slice(0, 20)) world.secrets.delete(`s3files-sftp/users/${name}`);
    const restarted = world.start();
    for (world.partial = 2; world.partial <= 20; world.partial += 2) {
      await expect(world.poll(restarted)).rejects.toThrow('throttled');
      expect(restarted.report().active).toBe(40);
      expect(restarted.isBlind()).toBe(false);
    }
    world.partial = null;
    expect((await world.poll(restarted)).heldPlan?.removals).toHaveLength(20);
    const again = world.start();
    for (const part of [2, 4, 12]) {
      world.partial = part;
      await expect(world.poll(again)).rejects.toThrow('throttled');
    }
    users(names.slice(3, 20));
    world.partial = null;
    // Three of 40 would be few, but they were held.
    expect((await world.poll(world.start())).heldPlan?.removals).toHaveLength(3);
  });

  it('adds up over a day and through a restart, however little each poll takes', async () => {
    users(Array.from({ length: 20 }, (_, index) => `u${index}`));
    await world.poll(world.start());
    for (let index = 0; index < 8; index += 1) {
      world.secrets.delete(`s3files-sftp/users/u${index}`);
      world.now += 60_000;
      await world.poll(world.start());
    }
    const sync = world.start();
    expect(await world.poll(sync)).toMatchObject({ active: 17, held: 5 });
    sync.approve(sync.report().heldPlan?.hash ?? '');
    expect(await world.poll(sync)).toMatchObject({ active: 12, held: 0 });
    // What was approved counts no more.
    world.secrets.delete('s3files-sftp/users/u8');
    expect(await world.poll(sync)).toMatchObject({ active: 11, held: 0 });
  });

  it('that a secret states is no matter of what else could be read', async () => {
    users(['alice', 'bob']);
    const sync = world.start();
    await world.poll(sync);
    world.setSecret('alice', { enabled: false, publicKeys: [ed25519Line()] });
    world.partial = 0;
    await expect(world.poll(sync)).rejects.toThrow('throttled');
    expect(world.keyFile('alice')).toBeNull();
  });

  it('waits one poll where a secret can’t be read, and no longer', async () => {
    users(['alice', 'bob', 'carol']);
    const sync = world.start();
    await world.poll(sync);
    world.secrets.delete('s3files-sftp/users/alice');
    world.secrets.set('s3files-sftp/users/bob', { error: 'denied' });
    expect(await world.poll(sync)).toMatchObject({ active: 3 });
    expect(await world.poll(sync)).toMatchObject({ active: 2 });
  });

  it('of the last one is held', async () => {
    users(['alice']);
    const sync = world.start();
    await world.poll(sync);
    world.secrets.clear();
    expect((await world.poll(sync)).heldPlan?.removals).toHaveLength(1);
    expect(world.keyFile('alice')).not.toBeNull();
  });
});

describe.runIf(CAN_MAKE_ACCOUNTS)('a mount that is slow', () => {
  /** A child whose time is up after one user. */
  const oneUserEach = () => {
    world.intercept = (argv, options) => {
      if (argv[0] !== 'systemd-run') return undefined;
      const request = JSON.parse(options.input ?? '') as MountRequest;
      const stdout = JSON.stringify(
        runMountDirectories({ ...request, users: request.users.slice(0, 1) }, world.mount),
      );
      return { outcome: 'exited', code: 0, stdout, stderr: '' };
    };
  };

  it('has new users made pass by pass, says how many are left, and keeps no revocation waiting', async () => {
    const [old, kept] = [ed25519Line(), ed25519Line()];
    world.setSecret('zoe', { publicKeys: [old, kept] });
    const sync = world.start();
    await world.poll(sync);
    oneUserEach();
    for (const name of ['alice', 'bob', 'carol']) world.setSecret(name, { publicKeys: [ed25519Line()] });
    world.setSecret('zoe', { publicKeys: [kept] });
    expect(await world.poll(sync)).toMatchObject({ active: 2, preparing: 2, held: 0 });
    expect(world.ended).toMatchObject([{ user: 'zoe' }]);
    expect(await world.poll(sync)).toMatchObject({ active: 3, preparing: 1, held: 0 });
    expect(await world.poll(sync)).toMatchObject({ active: 4, preparing: 0, held: 0 });
  });

  it('has its directories looked after pass by pass, each user once', async () => {
    for (const name of ['alice', 'bob', 'carol']) world.setSecret(name, { publicKeys: [ed25519Line()] });
    await world.poll(world.start());
    for (const name of ['alice', 'bob', 'carol']) chownSync(join(world.mount, name), 99, 99);
    const sync = world.start();
    oneUserEach();
    const left = [];
    for (let pass = 0; pass < 4; pass += 1) left.push((await world.poll(sync)).preparing);
    expect(left).toEqual([2, 1, 0, 0]);
    for (const name of ['alice', 'bob', 'carol']) expect(lstatSync(join(world.mount, name)).uid).toBe(0);
  });
});

describe.runIf(CAN_MAKE_ACCOUNTS)('a look at the next pass', () => {
  it('waits for the one under way, and changes nothing', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    const sync = world.start();
    const [report, plan] = await Promise.all([world.poll(sync), sync.plan(AbortSignal.timeout(10_000))]);
    expect([report.active, plan.steps]).toEqual([1, []]);
    world.setSecret('bob', { publicKeys: [ed25519Line()] });
    expect((await sync.plan(AbortSignal.timeout(10_000))).steps).toMatchObject([
      { do: 'prepare-mount', user: 'bob' },
    ]);
    expect(passwdLine('bob')).toBeUndefined();
    expect(await world.poll(sync)).toMatchObject({ active: 2 });
  });
});

describe.runIf(CAN_MAKE_ACCOUNTS)('drift', () => {
  it('is repaired and reported: shell, groups, password, key file, owners', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()], uid: 210_000 });
    await world.poll(world.start());
    const keys = world.keyFile('alice');
    const edit = (file: string, from: RegExp, to: string) =>
      writeFileSync(join(world.directory, 'etc', file), world.etc(file).replace(from, to));
    edit('passwd', /^(alice:.*):\/:\/sbin\/nologin$/m, '$1:/home/sftp/alice:/bin/sh');
    edit('group', /^webteam:x:1001:operator1$/m, 'webteam:x:1001:operator1,alice');
    edit('group', /^(s3files-sftp:x:\d+:)alice$/m, '$1');
    edit('shadow', /^alice:\*/m, 'alice:$6$abc');
    writeFileSync(join(world.directory, 'keys', 'alice'), 'ssh-ed25519 AAAA intruder\n');
    chmodSync(join(world.directory, 'keys', 'alice'), 0o666);
    chownSync(join(world.mount, 'alice'), 210_000, 210_000);
    chownSync(join(world.mount, 'alice', 'upload'), 0, 0);

    const report = await world.poll(world.start());
    expect(report).toMatchObject({ active: 1, problems: [] });
    expect(passwdLine('alice')).toMatch(/:\/:\/sbin\/nologin$/);
    expect(world.etc('group')).toMatch(/^webteam:x:1001:operator1$/m);
    expect(world.etc('group')).toMatch(/^s3files-sftp:x:\d+:alice$/m);
    expect(shadowField('alice')).toBe('*');
    expect(world.keyFile('alice')).toBe(keys);
    expect(statSync(join(world.directory, 'keys', 'alice')).mode & 0o777).toBe(0o640);
    expect(statSync(join(world.mount, 'alice')).uid).toBe(0);
    expect(statSync(join(world.mount, 'alice', 'upload')).uid).toBe(210_000);
    expect(world.lines.filter((line) => line.includes('repaired'))).toHaveLength(3);
  });

  it.each<[string, (keys: string) => void]>([
    ['removed', (keys) => rmSync(keys, { recursive: true })],
    ['writable for a group', (keys) => chmodSync(keys, 0o775)],
    ['closed to all but root', (keys) => chmodSync(keys, 0o700)],
    ['given away', (keys) => chownSync(keys, 1000, 1000)],
    ['in a directory that was given away', (keys) => chownSync(dirname(keys), 1000, 0)],
    ['in a directory that all may write to', (keys) => chmodSync(dirname(keys), 0o777)],
    [
      'moved, with a link in its place',
      (keys) => {
        renameSync(keys, `${keys}.old`);
        symlinkSync(`${keys}.old`, keys);
      },
    ],
  ])('of the key directory, %s, is repaired at the next pass and reported', async (_, disturb) => {
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    const sync = world.start();
    await world.poll(sync);
    const file = world.keyFile('alice');
    const keys = join(world.directory, 'keys');
    disturb(keys);
    expect(await world.poll(sync)).toMatchObject({ active: 1, problems: [] });
    for (const path of [keys, dirname(keys)]) {
      const at = lstatSync(path);
      expect([at.isDirectory(), at.uid, at.gid, at.mode & 0o7777]).toEqual([true, 0, 0, 0o755]);
    }
    expect(world.keyFile('alice')).toBe(file);
    expect(world.lines.filter((line) => line.includes('key directory repaired'))).toHaveLength(
      // A link goes, and a directory comes.
      existsSync(`${keys}.old`) ? 2 : 1,
    );
    const { ctimeMs } = lstatSync(keys);
    await world.poll(sync);
    expect(lstatSync(keys).ctimeMs).toBe(ctimeMs);
  });

  it('of the key directory into a file is told with what to do, and everybody is back when it is gone', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    const sync = world.start();
    await world.poll(sync);
    const keys = join(world.directory, 'keys');
    rmSync(keys, { recursive: true });
    writeFileSync(keys, '');
    const hint = expect.stringContaining('move away what is there');
    await expect(world.poll(sync)).rejects.toMatchObject({ hint });
    rmSync(keys);
    expect(await world.poll(sync)).toMatchObject({ active: 1, problems: [] });
  });

  it('into another uid shuts the account’s door instead of touching it', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()], uid: 210_000 });
    await world.poll(world.start());
    const passwd = world.etc('passwd').replace('alice:x:210000', 'alice:x:1000');
    writeFileSync(join(world.directory, 'etc', 'passwd'), passwd);
    const report = await world.poll(world.start());
    expect(report.problems[0]?.problem).toContain('uid 1000');
    expect(report.problems[0]?.hint).toContain('put 210000 back with vipw(8)');
    expect(world.keyFile('alice')).toBeNull();
    expect(world.etc('passwd')).toBe(passwd);
    // What it had open goes too, once.
    expect(world.ended).toEqual([{ user: 'alice', fingerprints: null, keyFile: null }]);
    writeFileSync(join(world.directory, 'etc', 'passwd'), passwd.replace('alice:x:1000', 'alice:x:210000'));
    expect(await world.poll(world.start())).toMatchObject({ active: 1, problems: [] });
    expect(world.ended).toHaveLength(1);
  });

  it('that took both marks at once is repaired, since name, uid, private group and keys are the agent’s', async () => {
    for (const name of ['alice', 'bob']) world.setSecret(name, { publicKeys: [ed25519Line()] });
    const sync = world.start();
    await world.poll(sync);
    for (const name of ['alice', 'bob'])
      await execOk(exec, ['usermod', '-R', world.directory, '-c', 'me', '-G', 'webteam', name]);
    rmSync(join(world.directory, 'keys', 'bob'));
    const report = await world.poll(sync);
    expect(report).toMatchObject({ active: 1, problems: [{ user: 'bob' }] });
    expect(report.problems[0]?.hint).toContain('usermod -a -G s3files-sftp bob');
    expect(passwdLine('alice')).toContain(':s3files-sftp partner:');
    expect(world.etc('group')).toMatch(/^webteam:x:1001:operator1,bob$/m);
    await execOk(exec, ['usermod', '-R', world.directory, '-a', '-G', 's3files-sftp', 'bob']);
    expect(await world.poll(sync)).toMatchObject({ active: 2, problems: [] });
  });

  it('of accounts that are closed or removed is repaired as well', async () => {
    for (const name of ['alice', 'bob', 'carol']) world.setSecret(name, { publicKeys: [ed25519Line()] });
    const sync = world.start();
    await world.poll(sync);
    world.secrets.delete('s3files-sftp/users/alice');
    world.setSecret('bob', { enabled: false });
    await world.poll(sync);
    for (const name of ['alice', 'bob'])
      await execOk(exec, ['usermod', '-R', world.directory, '-s', '/bin/bash', '-a', '-G', 'webteam', name]);
    await execOk(exec, ['chpasswd', '-e', '-R', world.directory], { input: 'alice:$6$x$y\n' });
    expect(await world.poll(sync)).toMatchObject({ active: 1, held: 1 });
    for (const name of ['alice', 'bob']) {
      expect([passwdLine(name)?.endsWith(':/:/sbin/nologin'), shadowField(name)]).toEqual([true, '!*']);
      expect(world.etc('group')).toMatch(/^webteam:x:1001:operator1$/m);
    }
    world.commands.length = 0;
    await world.poll(sync);
    expect(world.commands).toEqual([]);
  });

  it('of home and primary group together gives no file in that home away', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()], uid: 210_000 });
    const sync = world.start();
    await world.poll(sync);
    const home = join(world.directory, 'home');
    mkdirSync(home);
    writeFileSync(join(home, 'file'), '');
    for (const path of [home, join(home, 'file')]) chownSync(path, 210_000, 1001);
    const passwd = join(world.directory, 'etc', 'passwd');
    writeFileSync(
      passwd,
      world.etc('passwd').replace(/^(alice:x:210000:)210000(:.*):\/:/m, '$11001$2:/home:'),
    );
    expect(await world.poll(sync)).toMatchObject({ active: 1, problems: [] });
    expect(passwdLine('alice')).toBe('alice:x:210000:210000:s3files-sftp partner:/:/sbin/nologin');
    expect(statSync(join(home, 'file')).gid).toBe(1001);
  });
});

describe.runIf(CAN_MAKE_ACCOUNTS)('a crash', () => {
  it.each(['systemd-run', 'systemd-sysusers'])('at %s is made good by the next start', async (tool) => {
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    const crashed = world.start();
    world.intercept = (argv) => {
      if (argv[0] === tool) throw new Error('kill -9');
      return undefined;
    };
    await world.poll(crashed).catch(() => {});
    expect(world.keyFile('alice')).toBeNull();
    world.intercept = () => undefined;
    expect(await world.poll(world.start())).toMatchObject({ active: 1, problems: [] });
  });

  it('that lost the ledger lets accounts that carry the marks be adopted again', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    await world.poll(world.start());
    const uid = uidOf('alice');
    const state = join(world.directory, 'state');
    const damages = ['{"version":1,"users":[{', '{"version":7}'];
    for (const text of damages) {
      writeFileSync(join(state, 'accounts.json'), text);
      expect(await world.poll(world.start())).toMatchObject({ active: 1, problems: [] });
      expect(uidOf('alice')).toBe(uid);
    }
    // What was put aside first is not lost to what is put aside later.
    const aside = readdirSync(state).filter((name) => /^accounts\.json\.damaged-[0-9a-f]{8}$/.test(name));
    expect(aside.map((name) => readFileSync(join(state, name), 'utf8')).sort()).toEqual(damages);
  });
});

describe.runIf(CAN_MAKE_ACCOUNTS)('a ledger that is lost', () => {
  const ledger = () => join(world.directory, 'state', 'accounts.json');

  it('opens no door for whom a secret shuts out meanwhile, and says so', async () => {
    for (const name of ['alice', 'bob', 'carol', 'dave', 'erin'])
      world.setSecret(name, { publicKeys: [ed25519Line()] });
    await world.poll(world.start());
    rmSync(ledger());
    world.secrets.delete('s3files-sftp/users/alice');
    world.setSecret('bob', { enabled: false, publicKeys: [ed25519Line()] });
    world.setSecret('dave', { publicKeys: [] });
    world.outage = true;
    const sync = world.start();
    await expect(world.poll(sync)).rejects.toThrow('throttled');
    expect(sync.report()).toMatchObject({ active: 5, held: 5 });
    world.outage = false;
    expect(await world.poll(sync)).toMatchObject({ active: 2, held: 0 });
    expect(['alice', 'bob', 'dave'].map((user) => [world.keyFile(user), shadowField(user)])).toEqual(
      ['alice', 'bob', 'dave'].map(() => [null, '!*']),
    );
    expect(world.ended.map(({ user, fingerprints }) => [user, fingerprints])).toEqual(
      ['alice', 'bob', 'dave'].map((user) => [user, null]),
    );
    expect(world.lines.filter((line) => line.includes('not in its ledger'))).toHaveLength(1);
  });

  it('and can’t be written lets no newcomer in, since nobody would know of the account after a crash', async () => {
    world.setSecret('bob', { publicKeys: [ed25519Line()] });
    const sync = world.start();
    await world.poll(sync);
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    await fillUp(join(world.directory, 'state'), async () => {
      await expect(world.poll(sync)).rejects.toThrow('accounts.json');
      expect([passwdLine('alice'), world.keyFile('alice')]).toEqual([undefined, null]);
    });
    expect(await world.poll(sync)).toMatchObject({ active: 2 });
  });
});

describe.runIf(CAN_MAKE_ACCOUNTS)('when the next pass comes', () => {
  it('is at once only while passes get somewhere, and the same repairs are not tried first each time', async () => {
    for (let index = 0; index < 250; index += 1)
      world.setSecret(`u${index}`, { publicKeys: [ed25519Line()] });
    const sync = world.start();
    await world.poll(sync);
    const passwd = join(world.directory, 'etc', 'passwd');
    writeFileSync(passwd, readFileSync(passwd, 'utf8').replaceAll('/sbin/nologin', '/bin/bash'));
    const stderr = 'usermod: cannot lock /etc/passwd; try again later.';
    world.intercept = ([tool]) =>
      tool === 'usermod' ? { outcome: 'exited', code: 1, stdout: '', stderr } : undefined;
    const tried = new Set<string | undefined>();
    for (let pass = 0; pass < 2; pass += 1) {
      world.commands.length = 0;
      expect((await world.poll(sync)).preparing).toBe(50);
      expect(sync.moreDue()).toBe(false);
      for (const argv of world.commands) if (argv[0] === 'usermod') tried.add(argv.at(-1));
    }
    expect(tried.size).toBe(250);
    world.intercept = () => undefined;
    await world.poll(sync);
    expect(sync.moreDue()).toBe(true);
    expect((await world.poll(sync)).preparing).toBe(0);
    expect(sync.moreDue()).toBe(false);
  });

  it('is at once for a key that expired, but once only where that pass fails', async () => {
    const soon = { publicKeys: [ed25519Line()], expires: '2026-03-01T12:00:10Z' };
    for (const name of ['alice', 'bob']) world.setSecret(name, soon);
    const sync = world.start();
    await world.poll(sync);
    const shadow = world.etc('shadow');
    rmSync(join(world.directory, 'etc', 'shadow'));
    world.now = Date.parse('2026-03-01T12:00:10Z');
    expect(sync.expiryDue()).toBe(true);
    await expect(world.poll(sync)).rejects.toThrow('accounts of the host');
    expect(sync.expiryDue()).toBe(false);
    writeFileSync(join(world.directory, 'etc', 'shadow'), shadow);
    await world.poll(sync);
    expect([world.keyFile('alice'), sync.expiryDue()]).toEqual([null, false]);
  });

  it('is put off only where nothing at all could be read', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    const sync = world.start();
    await world.poll(sync);
    expect(sync.isBlind()).toBe(false);
    world.partial = 0;
    await expect(world.poll(sync)).rejects.toThrow('throttled');
    expect(sync.isBlind()).toBe(false);
    world.outage = true;
    await expect(world.poll(sync)).rejects.toThrow('throttled');
    expect(sync.isBlind()).toBe(true);
  });
});

describe.runIf(CAN_MAKE_ACCOUNTS)('the age of the last success', () => {
  it('grows when every secret is denied, one by one', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    const sync = world.start();
    const { lastSuccessAt } = await world.poll(sync);
    world.secrets.set('s3files-sftp/users/alice', { error: 'denied' });
    world.now += 60_000;
    await expect(world.poll(sync)).rejects.toThrow('none of 1 could be read');
    expect(sync.report()).toMatchObject({ lastSuccessAt, active: 1, held: 1 });
  });

  it('grows after a clock that was ahead is set right, also through a restart', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    const right = world.now;
    world.now += 10 ** 10;
    const sync = world.start();
    await world.poll(sync);
    world.now = right;
    world.outage = true;
    for (const agent of [sync, world.start()]) {
      await expect(world.poll(agent)).rejects.toThrow('throttled');
      expect(agent.report().lastSuccessAt).toBe(right);
    }
    world.now = right + 60_000;
    await expect(world.poll(world.start())).rejects.toThrow('throttled');
    const restarted = world.start();
    await expect(world.poll(restarted)).rejects.toThrow('throttled');
    expect(restarted.report().lastSuccessAt).toBe(right);
  });
});

describe.runIf(CAN_MAKE_ACCOUNTS)('a look at the next pass with AWS away', () => {
  it('says what could not be read', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    const sync = world.start();
    await world.poll(sync);
    world.outage = true;
    const plan = await sync.plan(AbortSignal.timeout(10_000));
    expect(plan.problems).toMatchObject([{ problem: expect.stringContaining('throttled') }]);
    expect(renderPlan(plan)).toBe(
      'nothing to do by what is known, but not all secrets could be read\n' +
        'failed: list secrets s3files-sftp/users/: throttled',
    );
    world.outage = false;
    world.setSecret('bob', { publicKeys: [ed25519Line()] });
    await world.poll(sync);
    world.secrets.set('s3files-sftp/users/alice', { error: 'denied' });
    expect(renderPlan(await sync.plan(AbortSignal.timeout(10_000)))).toContain(
      'refused: s3files-sftp/users/alice',
    );
  });
});

describe.runIf(CAN_MAKE_ACCOUNTS)('a hostile bucket', () => {
  it('puts a file in place of a directory of a partner who can log in: its uploads go on being logged', async () => {
    world.setSecret('alice', { publicKeys: [ed25519Line()], directories: ['in', 'out'] });
    world.setSecret('bob', { publicKeys: [ed25519Line()] });
    await world.poll(world.start());
    rmSync(join(world.mount, 'alice', 'out'), { recursive: true });
    writeFileSync(join(world.mount, 'alice', 'out'), '');
    // The first pass of an agent looks after all directories, and so does one an hour.
    const sync = world.start();
    for (let pass = 0; pass < 2; pass += 1) {
      expect((await world.poll(sync)).problems).toMatchObject([{ user: 'alice' }]);
      expect([world.keyFile('alice') === null, world.chroots.at(-1)]).toEqual([false, ['alice', 'bob']]);
    }
    expect(new Set(world.chroots.map((names) => names.join()))).toEqual(new Set(['alice,bob']));
    world.setSecret('alice', { enabled: false });
    await world.poll(sync);
    expect(world.chroots.at(-1)).toEqual(['bob']);
  });

  it('plants links and files where chroots should be: only that partner waits, and nothing outside changes', async () => {
    const outside = join(world.directory, 'outside');
    mkdirSync(outside);
    symlinkSync(outside, join(world.mount, 'alice'));
    mkdirSync(join(world.mount, 'bob'));
    symlinkSync(outside, join(world.mount, 'bob', 'upload'));
    writeFileSync(join(world.mount, 'carol'), 'a file');
    for (const name of ['alice', 'bob', 'carol', 'dave'])
      world.setSecret(name, { publicKeys: [ed25519Line()] });
    const report = await world.poll(world.start());
    expect(report).toMatchObject({ active: 1, held: 3 });
    expect(report.problems.map(({ problem }) => problem).join()).toContain(
      'bob/upload on the mount is a link',
    );
    expect(readdirSync(outside)).toEqual([]);
    expect(lstatSync(outside).uid).toBe(0);
    expect(world.keyFile('bob')).toBeNull();
  });
});

/** Makes a directory take no new file, as on a full disk; what is in it can be read, overwritten and removed. */
async function fillUp(directory: string, use: () => Promise<void>): Promise<void> {
  const files = readdirSync(directory).map((name) => ({ name, text: readFileSync(join(directory, name)) }));
  // The root directory is an inode too.
  const options = `nr_inodes=${files.length + 1},mode=755`;
  await execOk(exec, ['mount', '-t', 'tmpfs', '-o', options, 'full', directory]);
  try {
    for (const { name, text } of files) writeFileSync(join(directory, name), text);
    await use();
  } finally {
    await execOk(exec, ['umount', directory]);
  }
}
