import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { simulateHost } from './simulated-host.ts';

let directory: string;
let host: ReturnType<typeof simulateHost>;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'watch-'));
  host = simulateHost(directory);
});
afterEach(() => rm(directory, { recursive: true }));

/** A host that serves, its past forgotten. */
async function serving() {
  await host.until(({ health }) => health === 'healthy');
  host.events.splice(0);
  host.commands.splice(0);
}

describe('at start', () => {
  it('mounts, proves by a write, and only then serves', async () => {
    await host.until(({ health }) => health === 'healthy', 5);
    expect(host.events).toEqual(['refuse', 'mount', 'serve']);
    const proof = host.commands.findIndex((line) => line.includes('mount-probe'));
    expect(host.commands.findIndex((line) => line.startsWith('stat '))).toBeLessThan(proof);
    expect(host.report()).toMatchObject({ serving: true, recoveries: 0 });
  });

  it('goes on serving on a mount that is there, without a stop in between', async () => {
    host.weather.mounts = [{ id: 7, kind: 'ours', condition: 'good' }];
    await host.until(({ health }) => health === 'healthy', 5);
    expect(host.events).toEqual(['serve']);
  });

  it('does not serve on the word of statfs alone', async () => {
    host.weather.mounts = [{ id: 7, kind: 'ours', condition: 'denied' }];
    await host.until(({ health }) => health === 'denied', 10);
    expect(host.events).not.toContain('serve');
  });
});

describe('a hang', () => {
  it('is certain within 15 s at the default periods, and partners are refused before anything else', async () => {
    await serving();
    const [mount] = host.weather.mounts;
    if (mount !== undefined) mount.condition = 'hung';
    const began = host.seconds();
    await host.until(({ health }) => health === 'hung', 20);
    expect(host.seconds() - began).toBeLessThanOrEqual(15);
    await host.until(({ health }) => health === 'healthy');
    expect(host.events).toEqual(['refuse', 'umount -c -i -f', 'mount', 'serve']);
    expect(host.recoveries).toHaveLength(1);
  });

  it('of a moment is none: one late answer stops nobody', async () => {
    await serving();
    const [mount] = host.weather.mounts;
    if (mount !== undefined) mount.condition = 'hung';
    await host.until(({ health }) => health === 'suspect', 20);
    expect(host.report().serving).toBe(true);
    if (mount !== undefined) mount.condition = 'good';
    await host.until(({ health }) => health === 'healthy', 20);
    expect(host.events).toEqual([]);
  });

  it('climbs to the lazy umount where nothing milder works, ending holders first', async () => {
    await serving();
    const [mount] = host.weather.mounts;
    if (mount !== undefined) mount.condition = 'hung';
    host.weather.umountWorks = (flags) => flags.includes('-l');
    await host.until(({ health }) => health !== 'healthy', 20);
    await host.until(({ health }) => health === 'healthy');
    const [force, again, lazy] = ['umount -c -i -f', 'umount -c -i -f', 'umount -c -i -f -l'];
    expect(host.events).toEqual(['refuse', force, again, lazy, 'mount', 'serve']);
    expect(host.commands.some((line) => line.includes(' find /proc '))).toBe(true);
  });

  it('that nothing can unmount is never mounted over', async () => {
    await serving();
    const [mount] = host.weather.mounts;
    if (mount !== undefined) mount.condition = 'hung';
    host.weather.umountWorks = () => false;
    await host.until(({ health }) => health === 'failed', 60);
    expect(host.events).not.toContain('mount');
    expect(host.report()).toMatchObject({ serving: false, detail: expect.stringMatching(/taken away/) });
    // The cause goes away by itself: no remount is needed.
    if (mount !== undefined) mount.condition = 'good';
    await host.until(({ health }) => health === 'healthy', 30);
    expect(host.events).not.toContain('mount');
  });
});

describe('a mount that hangs for good, also for what was killed in it', () => {
  it('does not speak against the fresh one, on which partners are served', async () => {
    await serving();
    const [mount] = host.weather.mounts;
    if (mount !== undefined) mount.condition = 'hung-for-good';
    host.weather.umountWorks = (flags) => flags.includes('-l');
    await host.until(({ health }) => health === 'hung', 20);
    await host.until(({ health }) => health === 'healthy');
    expect(host.report()).toMatchObject({ serving: true, probesStuck: 1 });
    await host.run(600);
    expect(host.events.filter((event) => event === 'mount')).toHaveLength(1);
    expect(host.report().health).toBe('healthy');
  });
});

it('is sure of a server that flaps, though no two answers in a row are alike', async () => {
  await serving();
  const [mount] = host.weather.mounts;
  if (mount !== undefined) mount.condition = 'flapping';
  const began = host.seconds();
  await host.until(({ health }) => health !== 'healthy' && health !== 'suspect', 20);
  expect(host.seconds() - began).toBeLessThanOrEqual(15);
  expect(host.events[0]).toBe('refuse');
});

describe('a host that fails the probe', () => {
  const BUS = 'Failed to start transient service unit: Transport endpoint is not connected\n';

  it('takes a healthy mount from nobody, and the state says that it can’t be probed', async () => {
    await serving();
    host.weather.bus = BUS;
    host.writeFailed();
    await host.until(({ health }) => health === 'suspect', 10);
    expect(host.report()).toMatchObject({ serving: true, detail: expect.stringMatching(/can’t be probed/) });
    await host.run(600);
    expect(host.report()).toMatchObject({ serving: true, health: 'suspect' });
    host.weather.bus = undefined;
    await host.until(({ health }) => health === 'healthy', 10);
    expect(host.events).toEqual([]);
  });

  it('is asked no more often than a good mount, and does not hide a hang', async () => {
    await serving();
    host.weather.bus = BUS;
    host.writeFailed();
    await host.run(300);
    const writes = host.commands.filter((line) => line.includes('mount-probe')).length;
    expect(writes).toBeGreaterThan(10);
    expect(writes).toBeLessThanOrEqual(300 / 4 + 1);
    const [mount] = host.weather.mounts;
    if (mount !== undefined) mount.condition = 'hung';
    const began = host.seconds();
    await host.until(({ health }) => health === 'hung', 20);
    expect(host.seconds() - began).toBeLessThanOrEqual(15);
  });

  it('and is slow at it is asked for a statfs between any two writes: beside a write there is none', async () => {
    await serving();
    host.weather.writeStalls = true;
    host.writeFailed();
    await host.run(300);
    const probes = host.commands.flatMap((line) => {
      if (line.startsWith('stat ')) return ['statfs'];
      return line.includes('mount-probe') ? ['write'] : [];
    });
    expect(probes.join(' ')).toMatch(/write.* write/);
    expect(probes.join(' ')).not.toMatch(/write write/);
    expect(host.report()).toMatchObject({ serving: true, health: 'suspect' });
    expect(host.events).toEqual([]);
  });

  it('does not serve a fresh mount before a write came through', async () => {
    host.weather.mounts = [{ id: 7, kind: 'ours', condition: 'good' }];
    host.weather.bus = BUS;
    await host.run(60);
    expect(host.report()).toMatchObject({ serving: false, detail: expect.stringMatching(/write probe/) });
    host.weather.bus = undefined;
    await host.until(({ health }) => health === 'healthy', 10);
    expect(host.events).toEqual(['serve']);
  });
});

it('takes nothing away that answers again before it was asked for a write', async () => {
  await serving();
  const [mount] = host.weather.mounts;
  if (mount !== undefined) mount.condition = 'read-only';
  host.writeFailed();
  await host.until(({ health }) => health === 'suspect', 10);
  // Nothing takes it away at the first attempt; a moment later it is good, and anything would.
  host.weather.umountWorks = () => false;
  await host.until(({ health }) => health === 'failed', 60);
  if (mount !== undefined) mount.condition = 'good';
  host.weather.umountWorks = () => true;
  host.events.splice(0);
  await host.until(({ health }) => health === 'healthy', 10);
  expect(host.events).toEqual(['serve']);
});

describe('an export that turns read-only', () => {
  const writes = () => host.commands.filter((line) => line.includes('mount-probe')).length;

  it('is noticed within seconds of the first upload that fails, and mounted anew', async () => {
    await serving();
    const [mount] = host.weather.mounts;
    if (mount !== undefined) mount.condition = 'read-only';
    await host.run(30);
    expect(host.report().health).toBe('healthy');
    host.writeFailed();
    const began = host.seconds();
    await host.until(({ health }) => health === 'read-only', 15);
    expect(host.seconds() - began).toBeLessThanOrEqual(15);
    await host.until(({ health }) => health === 'healthy', 20);
    expect(host.events).toEqual(['refuse', 'umount -c -i', 'mount', 'serve']);
  });

  it('is asked no more often than a good mount while it lasts, and served again once it takes writes', async () => {
    await serving();
    host.weather.mounts = [{ id: 9, kind: 'ours', condition: 'read-only' }];
    host.weather.umountWorks = () => false;
    await host.until(({ health }) => health === 'failed', 60);
    host.commands.splice(0);
    await host.run(300);
    expect(writes()).toBeGreaterThan(10);
    expect(writes()).toBeLessThanOrEqual(300 / 4 + 1);
    for (const each of host.weather.mounts) each.condition = 'good';
    await host.until(({ health }) => health === 'healthy', 10);
  });

  it('can’t be made up by a partner whose own uploads fail', async () => {
    await serving();
    for (let second = 0; second < 300; second += 1) {
      host.writeFailed();
      await host.run(1);
    }
    expect(writes()).toBeLessThanOrEqual(6);
    expect(host.events).toEqual([]);
  });
});

describe('a lost mount', () => {
  it('is noticed within seconds, and repaired', async () => {
    await serving();
    host.weather.mounts = [];
    const began = host.seconds();
    await host.until(({ health }) => health === 'absent', 5);
    expect(host.seconds() - began).toBeLessThan(3);
    await host.until(({ health }) => health === 'healthy', 5);
    expect(host.events).toEqual(['refuse', 'mount', 'serve']);
  });

  it('that somebody stopped is left alone until they start it', async () => {
    await serving();
    host.weather.mounts = [];
    host.stopJobEnded('done');
    await host.run(300);
    expect(host.events).toEqual(['refuse']);
    expect(host.report()).toMatchObject({
      health: 'maintenance',
      hint: expect.stringMatching(/systemctl start/),
    });
    host.weather.mounts = [{ id: 55, kind: 'ours', condition: 'good' }];
    await host.until(({ health }) => health === 'healthy', 10);
    expect(host.events).toEqual(['refuse', 'serve']);
  });

  it('whose stop failed, since it was busy, is served on; what is lost later is repaired', async () => {
    await serving();
    host.stopJobEnded('failed');
    // The partner sshd was stopped before it.
    host.weather.sshdRuns = false;
    await host.until(({ serving }) => serving && host.weather.sshdRuns, 5);
    await host.run(3600);
    host.weather.mounts = [];
    await host.until(({ health }) => health === 'absent', 5);
    await host.until(({ health }) => health === 'healthy', 10);
  });

  it('that was mounted by hand after a stop is repaired when that is lost', async () => {
    await serving();
    host.weather.mounts = [];
    host.stopJobEnded('done');
    await host.until(({ health }) => health === 'maintenance', 5);
    host.weather.mounts = [{ id: 55, kind: 'ours', condition: 'good' }];
    await host.until(({ health }) => health === 'healthy', 10);
    host.weather.mounts = [];
    await host.until(({ health }) => health === 'absent', 5);
    await host.until(({ health }) => health === 'healthy', 10);
  });

  it('that was exchanged between two looks is proven anew', async () => {
    await serving();
    host.weather.mounts = [{ id: 55, kind: 'ours', condition: 'good' }];
    await host.until(({ health }) => health === 'healthy', 5);
    await host.run(3);
    expect(host.events).toEqual(['serve']);
    expect(host.commands.some((line) => line.includes('mount-probe'))).toBe(true);
  });
});

describe('another file system', () => {
  it('mounted over ours is taken away, and ours served again', async () => {
    await serving();
    host.weather.mounts.push({ id: 56, kind: 'foreign', condition: 'good' });
    await host.until(({ health }) => health === 'wrong-file-system', 5);
    await host.until(({ health }) => health === 'healthy', 10);
    expect(host.events).toEqual(['refuse', 'umount -c -i', 'serve']);
  });

  it('in the place of ours is never served, forced or mounted over', async () => {
    host.weather.mounts = [{ id: 56, kind: 'foreign', condition: 'good' }];
    host.weather.umountWorks = () => false;
    await host.run(600);
    expect(new Set(host.events)).toEqual(new Set(['refuse', 'umount -c -i']));
    expect(host.report().detail).toMatch(/tmpfs/);
  });
});

describe('a mount that fails', () => {
  it('is tried again at growing intervals, for ever, with the helper’s failure in words', async () => {
    host.weather.mountFails = "b'mount.nfs4: access denied by server while mounting 127.0.0.1:/'";
    await host.until(({ health }) => health === 'failed', 10);
    expect(host.report()).toMatchObject({
      detail: expect.stringMatching(/denied the mount/),
      hint: expect.stringMatching(/s3files:ClientMount/),
      nextAttemptAt: expect.any(Number),
    });
    await host.run(3600);
    const attempts = host.events.filter((event) => event === 'mount').length;
    // 1, 2, 4, … 15 s from begin to begin, less up to a fifth: about 265 in an hour.
    expect(attempts).toBeGreaterThan(240);
    expect(attempts).toBeLessThan(300);
    expect(host.events).not.toContain('serve');
    host.weather.mountFails = undefined;
    const gone = host.seconds();
    await host.until(({ health }) => health === 'healthy', 75);
    expect(host.seconds() - gone).toBeLessThanOrEqual(20);
  });

  it('says in its log when it will try next', async () => {
    host.weather.mountFails = 'mount.nfs4: it rains';
    await host.until(({ health }) => health === 'failed', 10);
    expect(host.logged.map(({ msg }) => msg)).toContainEqual(
      expect.stringMatching(/could not be brought back: .*it rains; next attempt in \d+ s$/),
    );
  });

  it('by hanging is ended after three quarters of a minute, and tried anew within two seconds', async () => {
    host.weather.mountHangs = true;
    await host.until(() => host.events.includes('mount'), 10);
    const began = host.seconds();
    await host.until(() => host.commands.some((line) => line.includes('kill --kill-who=all')), 60);
    expect(host.seconds() - began).toBeGreaterThan(45);
    expect(host.report()).toMatchObject({ health: 'failed', detail: expect.stringMatching(/in time/) });
    host.weather.mountHangs = false;
    await host.until(({ health }) => health === 'healthy', 4);
  });

  it('by hanging for a weekend leaves no file that blocks a port of the helper’s', async () => {
    host.weather.mountHangs = true;
    host.weather.helperWatchdog = 'inactive';
    for (let minutes = 0; minutes < 180; minutes += 10) {
      await host.run(600);
      expect(host.leftovers().length).toBeLessThan(30);
    }
    // The simulated helper has a hundred ports, the real one a thousand.
    expect(host.events.filter((event) => event === 'mount').length).toBeGreaterThan(110);
    expect(host.weather.helperWatchdog).toBe('active');
    host.weather.mountHangs = false;
    // An attempt of the patient ones may be under way, which the helper ends.
    await host.until(({ health }) => health === 'healthy', 20);
  });

  it('is not even tried over a directory that holds something', async () => {
    host.weather.mountpointFault = 'it is not empty';
    await host.until(({ health }) => health === 'failed', 10);
    expect(host.events).not.toContain('mount');
    expect(host.report()).toMatchObject({ detail: expect.stringMatching(/not empty/), hint: 'move it away' });
  });
});

describe('maintenance', () => {
  it('refuses partners and leaves everything else alone, also after a restart of the agent', async () => {
    await serving();
    host.setMaintenance(true);
    await host.run(2);
    host.weather.mounts = [];
    await host.run(60);
    host.restartAgent();
    await host.run(60);
    expect(new Set(host.events)).toEqual(new Set(['refuse']));
    host.setMaintenance(false);
    await host.until(({ health }) => health === 'healthy', 10);
  });

  it('is in force also where its file can’t be written, and that is told once', async () => {
    await serving();
    await mkdir(join(directory, 'maintenance'));
    host.setMaintenance(true);
    await host.run(60);
    expect(host.events).toEqual(['refuse']);
    expect(host.report()).toMatchObject({ health: 'maintenance', refused: true });
    expect(host.logged.filter(({ msg }) => msg.includes('what was ordered holds'))).toHaveLength(1);
    host.setMaintenance(false);
    await host.until(({ health }) => health === 'healthy', 10);
  });

  it('does not say that partners are refused before they are', async () => {
    await serving();
    host.weather.bus = 'Failed to connect to bus: Connection refused';
    host.setMaintenance(true);
    await host.run(5);
    expect(host.report()).toMatchObject({
      serving: false,
      refused: false,
      detail: expect.stringMatching(/being stopped/),
    });
    host.weather.bus = undefined;
    await host.until(({ refused }) => refused, 5);
    expect(host.report().detail).toBe('maintenance is on');
  });

  it('that ends on a mount still there proves it anew', async () => {
    await serving();
    host.setMaintenance(true);
    await host.run(2);
    host.setMaintenance(false);
    await host.until(({ health }) => health === 'healthy', 10);
    expect(host.events).toEqual(['refuse', 'serve']);
  });

  it('off overrules a unit that was stopped by hand', async () => {
    await serving();
    host.weather.mounts = [];
    host.stopJobEnded('done');
    await host.until(({ health }) => health === 'maintenance', 5);
    host.setMaintenance(false);
    await host.until(({ health }) => health === 'healthy', 10);
  });
});

describe('the partner sshd', () => {
  it('that does not start is tried again, and the state says so', async () => {
    host.weather.sshdStarts = false;
    await host.until(({ detail }) => detail.includes('does not start'), 10);
    expect(host.report()).toMatchObject({ serving: false, health: 'recovering' });
    host.weather.sshdStarts = true;
    await host.until(({ health }) => health === 'healthy', 10);
  });

  it('that does not start for long is told once, and again when it fails anew', async () => {
    const told = () =>
      host.logged.filter(({ msg }) => String(msg).includes('step of the mount watch')).length;
    host.weather.sshdStarts = false;
    const began = host.seconds();
    await host.until(() => host.seconds() - began > 60, 90);
    expect(told()).toBe(1);
    host.weather.sshdStarts = true;
    await host.until(({ health }) => health === 'healthy', 10);
    host.weather.sshdStarts = false;
    host.weather.sshdRuns = false;
    await host.until(({ detail }) => detail.includes('does not start'), 20);
    expect(told()).toBe(2);
  });
});

it('starts the helper’s watchdog again where it is dead, and says so meanwhile', async () => {
  await serving();
  host.weather.helperWatchdog = 'inactive';
  await host.until(({ helperProblem }) => helperProblem !== null, 15);
  expect(host.report()).toMatchObject({ serving: true, health: 'healthy' });
  expect(host.commands.filter((line) => /start .*amazon-efs-mount-watchdog/.test(line))).toHaveLength(1);
  await host.until(({ helperProblem }) => helperProblem === null, 15);
});

it('starts a partner sshd again that somebody stopped: maintenance is how to refuse partners', async () => {
  await serving();
  host.weather.sshdRuns = false;
  await host.until(() => host.weather.sshdRuns, 5);
  expect(host.events).toEqual(['serve']);
  expect(host.recoveries).toHaveLength(1);
});

it('recovers a thousand times alike, and logs each in a bounded number of lines', async () => {
  await serving();
  host.logged.splice(0);
  for (let i = 0; i < 1000; i += 1) {
    host.weather.mounts = [];
    await host.until(({ health }) => health !== 'healthy', 5);
    await host.until(({ health }) => health === 'healthy', 10);
  }
  expect(host.recoveries).toHaveLength(1000);
  expect(Math.max(...host.recoveries)).toBeLessThan(10);
  expect(host.logged.length).toBeLessThanOrEqual(8 * 1000);
});
