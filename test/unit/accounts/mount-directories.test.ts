import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runMountDirectories } from '../../../agent/accounts/mount-directories.ts';
import type { MountResult, MountUser } from '../../../agent/accounts/mount-request.ts';
import { exec } from '../../../agent/os/exec.ts';
import { execOk } from '../../../agent/os/exec-ok.ts';
import { CAN_MAKE_ACCOUNTS } from './world.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 's3files-sftp-mount-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const wish = (user: string, more: Partial<MountUser> = {}): MountUser => ({
  user,
  uid: null,
  directories: ['upload'],
  newcomer: true,
  ...more,
});
const run = (...users: MountUser[]) => runBeside([], ...users);
/** On a host where some uids are somebody's. */
const runBeside = (taken: [number, string][], ...users: MountUser[]) =>
  runMountDirectories({ uidMin: 200_000, uidMax: 200_099, mountPoint: false, taken, users }, root).results;
const uidOf = (result: MountResult | undefined) => (result && 'uid' in result ? result.uid : undefined);
const problemOf = (result: MountResult | undefined) =>
  result && 'problem' in result ? result.problem : undefined;
const claims = () => readdirSync(join(root, '.s3files-sftp/uids'));
const at = (...path: string[]) => lstatSync(join(root, ...path));

describe.runIf(CAN_MAKE_ACCOUNTS)('a claim', () => {
  it('binds name and uid for ever, in root’s own directory', () => {
    const uid = uidOf(run(wish('alice'))[0]) ?? 0;
    expect(uid).toBeGreaterThanOrEqual(200_000);
    expect(readFileSync(join(root, '.s3files-sftp/uids', String(uid), 'name'), 'utf8')).toBe('alice\n');
    expect(at('.s3files-sftp').mode & 0o7777).toBe(0o700);
    rmSync(join(root, 'alice'), { recursive: true });
    expect(uidOf(run(wish('alice'))[0])).toBe(uid);
    expect(problemOf(run(wish('bob', { uid }))[0])).toBe(`uid ${uid} is alice’s for ever`);
    expect(problemOf(run(wish('alice', { uid: 200_001 === uid ? 200_002 : 200_001 }))[0])).toContain(
      'is bound to',
    );
  });

  it('survives the loss of its index', () => {
    const [first, second] = run(wish('alice', { uid: 200_050 }), wish('bob'));
    rmSync(join(root, '.s3files-sftp/names'), { recursive: true });
    expect(run(wish('alice', { uid: 200_050 }), wish('bob')).map(uidOf)).toEqual([
      uidOf(first),
      uidOf(second),
    ]);
  });

  it('is found where its index was lost, before another uid is claimed', () => {
    mkdirSync(join(root, '.s3files-sftp/uids/200077'), { recursive: true });
    writeFileSync(join(root, '.s3files-sftp/uids/200077/name'), 'alice\n');
    expect(problemOf(run(wish('alice', { uid: 200_003 }))[0])).toContain('is bound to uid 200077 for ever');
    expect(run(wish('alice'), wish('bob')).map(uidOf)).toContain(200_077);
    expect(readFileSync(join(root, '.s3files-sftp/names/alice'), 'utf8')).toBe('200077\n');
    expect(claims()).toHaveLength(2);
  });

  it('that was begun and not made is made', () => {
    run(wish('bob', { uid: 200_005 }));
    writeFileSync(join(root, '.s3files-sftp/names/alice'), '200042\n');
    writeFileSync(join(root, '.s3files-sftp/names/carol'), '200005\n');
    const [alice, carol] = run(wish('alice'), wish('carol'));
    expect(uidOf(alice)).toBe(200_042);
    expect(uidOf(carol)).not.toBe(200_005);
    expect(claims()).toHaveLength(3);
  });

  it('is never made for a uid that another name has on this host', () => {
    const uid = uidOf(run(wish('alice'))[0]) ?? 0;
    rmSync(join(root, '.s3files-sftp'), { recursive: true });
    rmSync(join(root, 'alice'), { recursive: true });
    const taken: [number, string][] = [
      [uid, 'svc'],
      [200_050, 'alice'],
    ];
    expect(uidOf(runBeside(taken, wish('alice'))[0])).toBe(uid === 200_099 ? 200_000 : uid + 1);
    expect(uidOf(runBeside(taken, wish('bob', { uid: 200_060 }))[0])).toBe(200_060);
    expect(claims()).not.toContain(String(uid));
    const refused = problemOf(runBeside([[200_061, 'svc']], wish('carol', { uid: 200_061 }))[0]);
    expect(refused).toBe('can’t have uid 200061: it belongs to svc on this host');
    expect(claims()).not.toContain('200061');
  });

  it('that another host has made for a uid that is taken here is not made a second time', () => {
    const uid = uidOf(run(wish('alice'))[0]) ?? 0;
    const refused = `can’t have uid ${uid}: it belongs to svc on this host`;
    expect(problemOf(runBeside([[uid, 'svc']], wish('alice'))[0])).toBe(refused);
    rmSync(join(root, '.s3files-sftp/names'), { recursive: true });
    expect(problemOf(runBeside([[uid, 'svc']], wish('alice'))[0])).toBe(refused);
    expect(claims()).toEqual([String(uid)]);
  });

  it('without a name counts as taken', () => {
    mkdirSync(join(root, '.s3files-sftp/uids/200007'), { recursive: true });
    expect(problemOf(run(wish('alice', { uid: 200_007 }))[0])).toContain('a claim without a name');
  });

  it('outside of the range, as a bucket writer could forge it, is refused', () => {
    run(wish('alice'));
    writeFileSync(join(root, '.s3files-sftp/names/bob'), '0\n');
    mkdirSync(join(root, '.s3files-sftp/uids/0'));
    writeFileSync(join(root, '.s3files-sftp/uids/0/name'), 'bob\n');
    expect(problemOf(run(wish('bob'))[0])).toContain('outside of users.uid_min');
  });

  it('is refused when every uid is taken', () => {
    const names = Array.from({ length: 101 }, (_, index) => wish(`user${index}`));
    const results = run(...names);
    expect(new Set(results.map(uidOf)).size).toBe(101);
    expect(results.filter((result) => problemOf(result)?.includes('no uid is left'))).toHaveLength(1);
  });

  it('goes to one name only, and a name to one uid, when two hosts claim 1,000 names at once', async () => {
    const names = Array.from({ length: 1000 }, (_, index) => `user${index}`);
    const source = join(import.meta.dirname, '../../../agent/accounts/mount-directories.ts');
    const script = `import { mountDirectoriesCommand } from ${JSON.stringify(source)};
      let text = ''; for await (const chunk of process.stdin) text += chunk;
      process.stdout.write(mountDirectoriesCommand(text, process.argv[1]));`;
    const host = (order: string[]) => {
      const request = {
        uidMin: 200_000,
        uidMax: 201_499,
        mountPoint: false,
        users: order.map((name) => wish(name)),
      };
      const argv = [process.execPath, '--input-type=module', '-e', script, root] as const;
      return execOk(exec, argv, { input: JSON.stringify(request), timeoutMs: 60_000 });
    };
    const answers = await Promise.all([host(names), host([...names].reverse()), host(names)]);
    const [one, two, three] = answers.map((text) => {
      const { results } = JSON.parse(text) as { results: MountResult[] };
      return new Map(results.map((result) => [result.user, uidOf(result)]));
    });
    expect(new Set(one?.values()).size).toBe(1000);
    expect([...(one?.values() ?? [])]).not.toContain(undefined);
    for (const name of names)
      expect([two?.get(name), three?.get(name)]).toEqual([one?.get(name), one?.get(name)]);
    expect(
      readdirSync(join(root, '.s3files-sftp/uids')).filter((name) => !name.startsWith('.')),
    ).toHaveLength(1000);
  }, 60_000);
});

describe.runIf(CAN_MAKE_ACCOUNTS)('existing directories', () => {
  const lay = (path: string, uid: number) => {
    mkdirSync(join(root, path), { recursive: true });
    chownSync(join(root, path), uid, uid);
  };

  it('are adopted with their owner’s uid when it is in the range and nobody’s', () => {
    lay('alice/upload', 200_042);
    mkdirSync(join(root, 'alice/upload/old'));
    expect(run(wish('alice'))).toEqual([{ user: 'alice', uid: 200_042, repaired: [] }]);
    expect(at('alice/upload/old').uid).toBe(0);
  });

  it('are not lost to a newcomer that would have had their uid, now or later, here or in another child', () => {
    const uid = uidOf(run(wish('alice'))[0]) ?? 0;
    for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true });
    lay('bob/in', uid);
    lay('carol/upload', uid === 200_099 ? 200_000 : uid + 1);
    // Nothing that is no partner's place counts, and no link is followed to it.
    writeFileSync(join(root, 'file'), '');
    mkdirSync(join(root, 'dave'));
    symlinkSync(join(root, 'carol/upload'), join(root, 'dave/upload'));
    symlinkSync(join(root, 'carol'), join(root, 'erin'));
    const bob = wish('bob', { directories: ['in'] });
    const places = ['upload', 'in'];
    const range = { uidMin: 200_000, uidMax: 200_099, mountPoint: false, places };
    const [alone] = runMountDirectories({ ...range, users: [wish('alice')] }, root).results;
    expect(uidOf(alone)).toBe(200_000 + ((uid - 200_000 + 2) % 100));
    expect(run(bob, wish('carol'), wish('alice')).map(uidOf)).toEqual([
      uid,
      uid === 200_099 ? 200_000 : uid + 1,
      uidOf(alone),
    ]);
  });

  it('come first in their request, so that a newcomer’s first choice is found taken', () => {
    const uid = uidOf(run(wish('alice'))[0]) ?? 0;
    for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true });
    lay('bob/in', uid);
    const [alice, bob] = run(wish('alice', { uid: null }), wish('bob', { directories: ['in'] }));
    expect([uidOf(bob), uidOf(alice)]).toEqual([uid, uid === 200_099 ? 200_000 : uid + 1]);
  });

  it('of another partner are refused loudly', () => {
    const uid = uidOf(run(wish('bob'))[0]) ?? 0;
    lay('alice/upload', uid);
    expect(problemOf(run(wish('alice'))[0])).toBe(`alice/upload on the mount belongs to uid ${uid} (bob)`);
    expect(problemOf(run(wish('carol', { uid: 200_003 }), wish('alice', { uid: 200_004 }))[1])).toContain(
      '(bob)',
    );
    expect(claims().sort()).toEqual(['200003', String(uid)].sort());
    expect(at('alice/upload').uid).toBe(uid);
  });

  it('of somebody outside the range are refused loudly, and nothing is claimed', () => {
    lay('alice/upload', 1001);
    const [result] = run(wish('alice'));
    expect(result).toMatchObject({
      problem: 'alice/upload on the mount belongs to uid 1001 (nobody that is known)',
      hint: expect.stringContaining('chown the directory to root'),
    });
    expect([at('alice/upload').uid, claims()]).toEqual([1001, []]);
    chownSync(join(root, 'alice/upload'), 0, 0);
    expect(uidOf(run(wish('alice'))[0])).toBe(at('alice/upload').uid);
  });

  it('of two owners are refused, and nothing is claimed', () => {
    lay('alice/in', 200_001);
    lay('alice/out', 200_002);
    expect(problemOf(run(wish('alice', { directories: ['in', 'out'] }))[0])).toBe(
      'alice/in belongs to uid 200001 and alice/out to uid 200002',
    );
    expect(claims()).toEqual([]);
  });

  it('of another uid than the one asked for are refused with a way out that works', () => {
    lay('alice/upload', 200_050);
    expect(run(wish('alice', { uid: 200_004 }))[0]).toMatchObject({
      problem: 'alice/upload on the mount belongs to uid 200050 (nobody that is known)',
      hint: expect.stringMatching(/^set "uid" to 200050/),
    });
    expect(claims()).toEqual([]);
    expect(uidOf(run(wish('alice', { uid: 200_050 }))[0])).toBe(200_050);
  });

  it('of another uid than the one that is bound are handed over once they are root’s', () => {
    const uid = uidOf(run(wish('alice'))[0]) ?? 0;
    const other = uid === 200_042 ? 200_043 : 200_042;
    chownSync(join(root, 'alice/upload'), other, other);
    const [refused] = run(wish('alice'));
    expect(problemOf(refused)).toContain(`belongs to uid ${other}`);
    expect(refused).toMatchObject({ hint: expect.not.stringContaining('set "uid"') });
    chownSync(join(root, 'alice/upload'), 0, 0);
    expect(uidOf(run(wish('alice'))[0])).toBe(uid);
    expect(at('alice/upload').uid).toBe(uid);
  });

  it('of root are handed over, themselves only', () => {
    lay('alice/upload/deep', 1234);
    lay('alice/upload', 0);
    const [result] = run(wish('alice'));
    expect(result).toMatchObject({ repaired: ['alice/upload was owned by 0:0'] });
    expect(at('alice/upload').uid).toBe(uidOf(result));
    expect(at('alice/upload/deep').uid).toBe(1234);
  });

  it('that drifted are repaired and reported, and a second look changes nothing', () => {
    const uid = uidOf(run(wish('alice'))[0]) ?? 0;
    chownSync(join(root, 'alice'), 99, 99);
    chmodSync(join(root, 'alice/dev'), 0o777);
    chownSync(join(root, 'alice/upload'), 200_099, 0);
    const again = wish('alice', { uid, newcomer: false });
    expect(run(again)).toMatchObject([
      {
        repaired: [
          'alice was owned by 99:99',
          'alice/upload was owned by 200099:0',
          'alice/dev had mode 777',
        ],
      },
    ]);
    const changed = at('alice').ctimeMs;
    expect(run(again)).toEqual([{ user: 'alice', uid, repaired: [] }]);
    expect(at('alice').ctimeMs).toBe(changed);
  });
});

describe.runIf(CAN_MAKE_ACCOUNTS)('what a bucket writer plants', () => {
  it.each(['alice', 'alice/upload', 'alice/dev'])(
    'as a link at %s is never followed, and stops only that user',
    (path) => {
      const outside = mkdtempSync(join(tmpdir(), 's3files-sftp-outside-'));
      try {
        mkdirSync(join(root, path, '..'), { recursive: true });
        symlinkSync(outside, join(root, path));
        const [alice, bob] = run(wish('alice'), wish('bob'));
        expect(problemOf(alice)).toContain(`${path} on the mount is a link`);
        expect(uidOf(bob)).toBeDefined();
        expect(readdirSync(outside)).toEqual([]);
        expect(lstatSync(outside).uid).toBe(0);
      } finally {
        rmSync(outside, { recursive: true });
      }
    },
  );

  it.each(['alice', 'alice/upload', 'alice/dev'])(
    'as a link at %s costs no claim: what is there once it is gone is adopted',
    (path) => {
      mkdirSync(join(root, path, '..'), { recursive: true });
      symlinkSync('/etc', join(root, path));
      run(wish('alice'));
      expect(claims()).toEqual([]);
      rmSync(join(root, path));
      mkdirSync(join(root, 'alice/upload'), { recursive: true });
      chownSync(join(root, 'alice/upload'), 200_042, 200_042);
      expect(uidOf(run(wish('alice'))[0])).toBe(200_042);
    },
  );

  it('in place of the claims stops everything', () => {
    symlinkSync(tmpdir(), join(root, '.s3files-sftp'));
    expect(() => run(wish('alice'))).toThrow('.s3files-sftp on the mount is a link');
  });

  it('in place of a name’s claim, link or FIFO, stops that user', async () => {
    run(wish('alice', { uid: 200_001 }), wish('bob', { uid: 200_002 }));
    rmSync(join(root, '.s3files-sftp/uids/200001/name'));
    symlinkSync('/etc/hostname', join(root, '.s3files-sftp/uids/200001/name'));
    rmSync(join(root, '.s3files-sftp/uids/200002/name'));
    await execOk(exec, ['mkfifo', join(root, '.s3files-sftp/uids/200002/name')]);
    const results = run(wish('alice', { uid: 200_001 }), wish('bob', { uid: 200_002 }), wish('carol'));
    expect(results.map((result) => 'problem' in result)).toEqual([true, true, false]);
  });

  it('is out of reach when the mount is gone', () => {
    expect(() => runMountDirectories({ uidMin: 1, uidMax: 2, mountPoint: true, users: [] }, root)).toThrow(
      'no mount point',
    );
  });
});
