import { createHash } from 'node:crypto';
import { appendFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ed25519Line } from './keys.ts';
import { CAN_MAKE_ACCOUNTS, createWorld, type World } from './world.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});
afterEach(() => world.close());

/** The uid that a new name tries first, in the default range. */
const firstChoice = (user: string) =>
  200_000 + (createHash('sha256').update(user).digest().readUInt32BE(0) % 100_000);
const add = (file: string, line: string) => appendFileSync(join(world.directory, 'etc', file), `${line}\n`);
const uidOf = (user: string) =>
  Number(
    world
      .etc('passwd')
      .split('\n')
      .find((line) => line.startsWith(`${user}:`))
      ?.split(':')[2],
  );

describe.runIf(CAN_MAKE_ACCOUNTS)('a uid that the agent picks', () => {
  it('is nobody’s on this host, neither as uid nor as gid', async () => {
    const uid = firstChoice('alice');
    add('passwd', `svc:x:${uid}:999::/:/bin/sh`);
    add('group', `team:x:${uid + 1}:`);
    world.setSecret('alice', { publicKeys: [ed25519Line()] });
    expect(await world.poll(world.start())).toMatchObject({ active: 1, problems: [] });
    expect(uidOf('alice')).toBe(uid + 2);
    expect(readdirSync(join(world.mount, '.s3files-sftp/uids'))).toEqual([String(uid + 2)]);
  });

  it('is not that of a user who was removed, even where somebody wiped the claims', async () => {
    const uid = firstChoice('bob');
    world.setSecret('alice', { publicKeys: [ed25519Line()], uid });
    world.setSecret('carol', { publicKeys: [ed25519Line()] });
    const sync = world.start();
    await world.poll(sync);
    world.secrets.delete('s3files-sftp/users/alice');
    await world.poll(sync);
    rmSync(join(world.mount, '.s3files-sftp'), { recursive: true });
    world.setSecret('bob', { publicKeys: [ed25519Line()] });
    expect(await world.poll(sync)).toMatchObject({ active: 2, problems: [] });
    expect([uidOf('alice'), uidOf('bob')]).toEqual([uid, uid + 1]);
  });

  it('is refused when the mount’s side says what can’t be, and no account is made of it', async () => {
    const uid = firstChoice('alice');
    for (const user of ['alice', 'bob']) world.setSecret(user, { publicKeys: [ed25519Line()] });
    world.intercept = (argv) => {
      if (argv[0] !== 'systemd-run') return undefined;
      const results = ['alice', 'bob'].map((user) => ({ user, uid, repaired: [] }));
      return { outcome: 'exited', code: 0, stdout: JSON.stringify({ results }), stderr: '' };
    };
    const report = await world.poll(world.start());
    expect(report).toMatchObject({
      active: 1,
      problems: [{ user: 'bob', problem: `can’t have uid ${uid}: it belongs to alice` }],
    });
    expect(uidOf('bob')).toBeNaN();
  });
});
