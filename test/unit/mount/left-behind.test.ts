import { expect, it } from 'vitest';
import { leftBehind } from '../../../agent/mount/left-behind.ts';

const NOW = Date.parse('2026-11-24T12:00:00Z');
const OLD = NOW - 11 * 60_000;
const FS = 'fs-0123456789abcdef0';
const files = (names: readonly string[], mtimeMs: number) => names.map((name) => ({ name, mtimeMs }));
const find = (state: readonly string[], logs: readonly string[], mtimeMs = OLD, ports: number[] = []) =>
  leftBehind({
    path: '/home/sftp',
    now: NOW,
    noneUnderWay: false,
    mountedPorts: new Set(ports),
    state: files(state, mtimeMs),
    logs: files(logs, mtimeMs),
  });

it('takes away logs of dead ports but for the newest five, whatever a thousand remounts left', () => {
  const logs = Array.from({ length: 1000 }, (_, i) => ({
    name: `${FS}.home.sftp.${20049 + i}.efs-proxy.log`,
    mtimeMs: OLD - i,
  }));
  const found = leftBehind({
    path: '/home/sftp',
    now: NOW,
    noneUnderWay: false,
    mountedPorts: new Set(),
    state: [],
    logs,
  });
  expect(found.logs).toEqual(logs.slice(5).map(({ name }) => name));
});

it('keeps the log of the mounted port, of a port with a state file, and those written lately', () => {
  const log = (port: number) => `${FS}.home.sftp.${port}.efs-proxy.log`;
  const many = Array.from({ length: 6 }, (_, i) => log(20100 + i));
  expect(find([], many, OLD, [20100]).logs).not.toContain(log(20100));
  expect(find([`${FS}.home.sftp.20101`], many).logs).not.toContain(log(20101));
  expect(find([`~${FS}.home.sftp.20102`], many).logs).not.toContain(log(20102));
  expect(find([], many, NOW - 60_000).logs).toEqual([]);
});

it('takes away an attempt that was cut off, with its certificates and its tunnel’s configuration', () => {
  const name = `${FS}.home.sftp.20123`;
  const state = [`~${name}`, `${name}+`, `stunnel-config.${name}`];
  expect(find(state, [])).toEqual({ attempts: [`~${name}`], state, logs: [] });
});

it('takes away a young one, too, when none is under way, and no other file for that', () => {
  const state = [`~${FS}.home.sftp.20123`, `${FS}.home.sftp.20124`, `~${FS}.mnt.other.20125`];
  const logs = Array.from({ length: 9 }, (_, i) => `${FS}.home.sftp.${20130 + i}.efs-proxy.log`);
  const found = leftBehind({
    path: '/home/sftp',
    now: NOW,
    noneUnderWay: true,
    mountedPorts: new Set(),
    state: files(state, NOW),
    logs: files(logs, NOW),
  });
  expect(found).toEqual({ attempts: state.slice(0, 1), state: state.slice(0, 1), logs: [] });
});

it('leaves an attempt alone that may be under way, or that is mounted after all', () => {
  const state = [`~${FS}.home.sftp.20123`, `${FS}.home.sftp.20123+`];
  expect(find(state, [], NOW - 5 * 60_000).state).toEqual([]);
  expect(find(state, [], OLD, [20123]).state).toEqual([]);
});

it('never touches a state file that the helper’s watchdog keeps, or anything of another mount', () => {
  const state = [
    `${FS}.home.sftp.20123`,
    `${FS}.home.sftp.20123+`,
    `~${FS}.mnt.other.20124`,
    `~${FS}.home.sftp.extra.20125`,
    'privateKey.pem',
    '~',
  ];
  const logs = [
    ...Array.from({ length: 9 }, (_, i) => `${FS}.mnt.other.${20130 + i}.efs-proxy.log`),
    ...['mount.log', 'mount.log.1', 'mount-watchdog.log'],
  ];
  expect(find(state, logs)).toEqual({ attempts: [], state: [], logs: [] });
});
