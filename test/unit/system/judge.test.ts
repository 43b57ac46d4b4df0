import { describe, expect, it } from 'vitest';
import type { Course, Evidence } from '../../system/evidence.ts';
import { FAULTS, type MountFault } from '../../system/faults.ts';
import { HELPER_FAILURES } from '../../system/helper-failures.ts';
import { judge, unplayed } from '../../system/judge.ts';
import { LOADS, type Load } from '../../system/loads.ts';
import { BROKEN, CLEARED, END, goodCourse, OUTAGE, SERVED, VERDICT } from './course-fixture.ts';

const KILLED: MountFault = FAULTS['server-killed'];
const judged = (load: Load, evidence: Partial<Evidence> = {}, fault = KILLED) =>
  judge('server-killed', load, fault, goodCourse(load, evidence));

describe('a cell that is as promised', () => {
  it.each(Object.keys(LOADS) as Load[])('passes under %s, with its times', (load) => {
    expect(judged(load)).toMatchObject({
      ...{ faults: [], played: true, agentAlive: true, pingAgeSeconds: 6 },
      ...{ detectSeconds: 11, refuseSeconds: 12, recoverSeconds: 10 },
    });
  });

  it('has the clock of recovery start at the verdict where only the agent ends the cause', () => {
    expect(judged('idle', {}, FAULTS['proxy-stopped']).recoverSeconds).toBe(SERVED - VERDICT);
  });

  it('passes where nothing was to be noticed, and nobody was disturbed', () => {
    const calm = {
      events: OUTAGE.slice(0, 1),
      journal: [],
      partners: goodCourse('storm').evidence.partners.slice(1),
    };
    const result = judge('server-restarted', 'storm', FAULTS['server-restarted'], goodCourse('storm', calm));
    expect(result).toMatchObject({ faults: [], detectSeconds: null, recoverSeconds: null });
  });
});

describe('a course that proves nothing fails', () => {
  const CASES: ReadonlyArray<
    readonly [name: string, load: Load, evidence: Partial<Evidence>, fault: RegExp]
  > = [
    ['no partner was heard of in a storm', 'storm', { partners: [] }, /nothing was heard of the partners/],
    [
      'no partner was heard of while uploading',
      'upload',
      { partners: [] },
      /nothing was heard of the partners/,
    ],
    ['no session was heard of', 'sessions', { partners: [] }, /of 50 sessions only 0 were heard of/],
    [
      'partners of another load only',
      'storm',
      { partners: goodCourse('upload').evidence.partners },
      /nothing was heard of the partners/,
    ],
    ['no partner came through before', 'storm', { before: { ok: 0, open: 0 } }, /before the fault/],
    ['no session was open', 'sessions', { before: { ok: 1, open: 0 } }, /no session was open/],
    ['no age of a ping was seen', 'idle', { events: OUTAGE.slice(1) }, /watchdog was fed was not observed/],
    [
      'ages of pings are from before the fault',
      'idle',
      { events: [{ t: BROKEN - 1, kind: 'pingAge', value: 3 }, ...OUTAGE.slice(1)] },
      /watchdog was fed was not observed/,
    ],
    ['the observer died', 'idle', { seen: {} }, /nobody looked at the door.*/],
    [
      'the observer’s look at the units hangs',
      'idle',
      { seen: { door: END, status: END, units: CLEARED } },
      /nobody looked at the units/,
    ],
    ['no file was verified', 'idle', { verified: 0 }, /to be verified/],
    ['the agent had no verdict', 'idle', { journal: [] }, /had no verdict/],
  ];
  it.each(CASES)('%s', (_, load, evidence, fault) => {
    expect(judged(load, evidence).faults.join('\n')).toMatch(fault);
  });

  it('one that could not be played', () => {
    const result = unplayed('umount', 'idle', 'the guest does not answer');
    expect(result.faults).toEqual(['not played to its end: the guest does not answer']);
    expect(result).toMatchObject({ played: false, agentAlive: false, pingAgeSeconds: null });
  });

  it('the kernel’s refusal, where nobody used the mount', () => {
    const course = goodCourse('idle', { events: OUTAGE.slice(0, 1) }, { refusedByKernel: true });
    expect(judge('umount', 'idle', FAULTS.umount, course).faults).toEqual([
      'it was refused, though nobody used the mount',
    ]);
  });
});

describe('what partners must not bear', () => {
  const door = (t: number, value: string) => ({ t, kind: 'door', value });

  it('is a door that is mute: that is neither noticed nor refused', () => {
    const events = [...OUTAGE.slice(0, 1), door(BROKEN + 3, 'mute'), door(BROKEN + 45, 'served')];
    const result = judged('idle', { events, journal: [] });
    expect(result).toMatchObject({ detectSeconds: 'never', refuseSeconds: null });
    expect(result.faults).toContain('for 47 s partners got no answer at the door');
    expect(result.faults).toContain('the agent had no verdict');
  });

  it('is no door that is slow under a load that came through, where nothing was away', () => {
    const events = [...OUTAGE.slice(0, 1), door(BROKEN + 3, 'mute'), door(BROKEN + 45, 'served')];
    const partners = goodCourse('storm').evidence.partners.slice(1);
    const play = (load: Load) =>
      judge(
        'proxy-killed',
        load,
        FAULTS['proxy-killed'],
        goodCourse(load, { events, journal: [], partners }),
      );
    expect(play('storm').faults).toEqual([]);
    expect(play('idle').faults).toEqual(['for 47 s partners got no answer at the door']);
    // Nor one that is slow when all of them come at once afterwards: what becomes of their uploads counts.
    const after = [...OUTAGE, door(SERVED + 2, 'mute'), door(SERVED + 18, 'served')];
    expect(judged('sessions', { events: after }).faults).toEqual([]);
  });

  it('is a door that is mute to the end', () => {
    const events = [...OUTAGE.slice(0, 3), door(CLEARED, 'mute')];
    expect(judged('idle', { events }).faults).toEqual([
      'never served again',
      'for 35 s partners got no answer at the door',
    ]);
  });

  it.each(['denied', 'closed', 'refused', 'broken', 'turned-away'])(
    'is “%s” after the recovery',
    (outcome) => {
      const good = goodCourse('storm').evidence.partners;
      const late = {
        t: SERVED + 4,
        load: 'storm',
        user: 'p02',
        what: 'upload',
        outcome,
        seconds: 1,
      } as const;
      expect(judged('storm', { partners: [...good, late] }).faults).toHaveLength(1);
    },
  );

  it('is a key that is not accepted while the mount is away', () => {
    const good = goodCourse('storm').evidence.partners;
    const denied = {
      t: VERDICT,
      load: 'storm',
      user: 'p02',
      what: 'upload',
      outcome: 'denied',
      seconds: 1,
    } as const;
    expect(judged('storm', { partners: [...good, denied] }).faults).toEqual([
      '1 × a partner’s key was not accepted',
    ]);
  });

  it('is that none of them comes through afterwards', () => {
    const [refused] = goodCourse('storm').evidence.partners;
    if (refused === undefined) throw new Error('the fixture has partners');
    expect(judged('storm', { partners: [refused] }).faults).toEqual([
      'none of the partners’ uploads came through afterwards',
    ]);
  });

  it('is an upload that breaks though nobody noticed anything', () => {
    const quiet = { events: OUTAGE.slice(0, 1), journal: [] };
    const result = judge('proxy-killed', 'upload', FAULTS['proxy-killed'], goodCourse('upload', quiet));
    expect(result.faults).toEqual(['1 uploads or sessions of partners failed, and nobody noticed']);
  });

  it('is a load that never ends', () => {
    const course = goodCourse('upload', {}, { loadEnded: false });
    expect(judge('server-killed', 'upload', KILLED, course).faults).toEqual([
      'the partners did not come to an end afterwards',
    ]);
  });
});

describe('what the host must not suffer', () => {
  const CASES: ReadonlyArray<readonly [name: string, evidence: Partial<Evidence>, fault: RegExp]> = [
    [
      'a restart of the agent',
      { events: [...OUTAGE, { t: 1020, kind: 'restarts', value: 1 }] },
      /was restarted/,
    ],
    ['a ping too late', { events: [...OUTAGE, { t: 1020, kind: 'pingAge', value: 31 }] }, /was not fed/],
    ['lost bytes', { lost: [{ user: 'p01', name: 'a', bytes: 3 }] }, /1 uploads lost/],
    ['files on its own disk', { wrongDisk: { names: ['p01'], immutable: true } }, /own disk/],
    ['a directory that can be written', { wrongDisk: { names: [], immutable: false } }, /not immutable/],
    ['leftovers', { left: ['2 mounts on /home/sftp'] }, /left behind: 2 mounts/],
    ['a dead watchdog of the helper’s', { helperWatchdog: 'inactive' }, /helper’s watchdog is inactive/],
  ];
  it.each(CASES)('%s', (_, evidence, fault) => {
    const { faults } = judged('idle', evidence);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(fault);
  });
});

describe('times', () => {
  it('are not told by another loop’s failures', () => {
    const journal = [...goodCourse('idle').evidence.journal, { failures: 1, loop: 'mount' }];
    expect(judged('idle', { journal }, HELPER_FAILURES['helper-denied']).said).not.toMatch(/undefined/);
  });

  it('are told where they are too long', () => {
    const late = OUTAGE.map((each) => (each.t >= SERVED - 1 ? { ...each, t: each.t + 11 } : each));
    expect(judged('idle', { events: late }).faults).toEqual(['served again after more than 20 s']);
    const journal = [{ time: new Date((BROKEN + 16) * 1000).toISOString(), health: 'hung', was: 'healthy' }];
    expect(judged('idle', { journal }).faults).toEqual(['noticed after more than 15 s']);
  });

  it('that never come are no numbers', () => {
    expect(judged('idle', { events: OUTAGE.slice(0, 3) })).toMatchObject({
      ...{ recoverSeconds: 'never', faults: ['never served again'] },
    });
  });
});

describe('the helper’s watchdog dead alone', () => {
  const back: Evidence['events'] = [
    { t: BROKEN + 1, kind: 'helperWatchdogSince', value: null },
    { t: BROKEN + 2, kind: 'pingAge', value: 4 },
    { t: BROKEN + 8, kind: 'helperProblem', value: 'it is not running' },
    { t: BROKEN + 10, kind: 'helperWatchdogSince', value: 99 },
  ];
  const play = (events: Evidence['events'], course: Partial<Course> = {}) =>
    judge(
      'watchdog-dead',
      'idle',
      FAULTS['watchdog-dead'],
      goodCourse('idle', { events, journal: [] }, course),
    );

  it('is noticed and mended, and partners are served throughout', () => {
    expect(play(back)).toMatchObject({ faults: [], detectSeconds: 8, recoverSeconds: 2 });
  });

  it('fails when it stays dead, is not noticed, or costs a partner the door', () => {
    expect(play(back.slice(0, 3)).faults).toEqual(['never served again']);
    expect(play(back.filter(({ kind }) => kind !== 'helperProblem')).faults).toEqual([
      'the agent had no verdict',
    ]);
    expect(play([...back, { t: BROKEN + 3, kind: 'door', value: 'refused' }]).faults).toEqual([
      'partners were refused',
    ]);
  });
});

it('asks for the agent’s words about the helper’s failure', () => {
  const [silent, denied] = [HELPER_FAILURES['helper-silent'], HELPER_FAILURES['helper-denied']];
  if (silent === undefined || denied === undefined) throw new Error('no such failures');
  expect(judged('idle', {}, denied)).toMatchObject({
    ...{ faults: [], said: 'the file system denied the mount; allow it' },
  });
  expect(judged('idle', {}, silent).faults).toEqual([
    'said only: the file system denied the mount; allow it',
  ]);
});
