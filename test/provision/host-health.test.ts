import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { called, type Ec2, FakeHost, fakeEc2 } from './boot-host.ts';
import { templateOf, userDataOf } from './synthesized.ts';

const { bootScript } = userDataOf(templateOf());
const AGENT_DOWN = { failing: ['systemctl is-active --quiet s3files-sftp-agent'] };
const MOUNT_SICK = { failing: ['s3files-sftp status --wait'] };
const DENIED = { failing: ['aws ec2 associate-address'] };

let ec2: Ec2;
let old: FakeHost;
let next: FakeHost;
beforeEach(() => {
  ec2 = fakeEc2();
  old = new FakeHost(bootScript, ec2, 'i-00000000000000001');
  next = new FakeHost(bootScript, ec2, 'i-00000000000000002');
  old.boot();
  expect(ec2.holder()).toBe(old.id);
});
afterEach(() => {
  old.remove();
  next.remove();
});

describe('the agent', () => {
  const givesUp = (trouble = AGENT_DOWN) =>
    called(old.check(trouble).calls, 'aws autoscaling set-instance-health --health-status Unhealthy') !== -1;

  it('may be down for nine minutes, and again after it was up', () => {
    for (let minute = 0; minute < 9; minute += 1) expect(givesUp()).toBe(false);
    old.check();
    for (let minute = 0; minute < 9; minute += 1) expect(givesUp()).toBe(false);
  });

  it('is given up with its host in the tenth', () => {
    for (let minute = 0; minute < 9; minute += 1) old.check(AGENT_DOWN);
    expect(givesUp()).toBe(true);
  });

  it('is not given up for a sick mount, which a new host would have too', () => {
    for (let minute = 0; minute < 12; minute += 1) expect(givesUp(MOUNT_SICK)).toBe(false);
  });
});

describe('the address', () => {
  it('costs no call while the host has it', () => {
    const { status, calls } = old.check();
    expect(status).toBe(0);
    expect(called(calls, 'aws')).toBe(-1);
  });

  it('goes to a successor that serves, and the old host takes nothing back', () => {
    next.boot();
    expect(ec2.holder()).toBe(next.id);
    const { status, output } = old.check();
    expect(ec2.holder()).toBe(next.id);
    expect({ status, output }).toEqual({ status: 0, output: '' });
  });

  it('comes back within a minute when an update fails after its host had taken it', () => {
    next.boot();
    ec2.end(next.id);
    expect(ec2.holder()).toBe('');
    expect(old.check().output).toContain('which no host had');
    expect(ec2.holder()).toBe(old.id);
  });

  it('stays where it is when an update fails before its host serves', () => {
    next.boot(MOUNT_SICK);
    expect(ec2.holder()).toBe(old.id);
  });

  it('is taken from a host that is down, by force', () => {
    old.check(AGENT_DOWN);
    next.boot();
    expect(ec2.holder()).toBe(next.id);
    old.check(AGENT_DOWN);
    expect(ec2.holder()).toBe(next.id);
  });

  it.each([
    ['whose agent is down', AGENT_DOWN],
    ['whose mount is sick', MOUNT_SICK],
  ])('is not taken by a host %s', (_, trouble) => {
    ec2.end(old.id);
    old.check(trouble);
    expect(ec2.holder()).toBe('');
  });

  it('that can’t be taken is a failure that says so', () => {
    ec2.end(old.id);
    const { status, output } = old.check(DENIED);
    expect(status).toBe(1);
    expect(output).toMatch(/serves, but can't take the address .*does not work/);
  });
});
