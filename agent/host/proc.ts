import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** One process, as far as /proc tells without being asked to wait. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  /** Field 22 of stat: clock ticks since boot. With the pid it names one process for ever. */
  readonly startTicks: number;
  /** `Z` is dead already. */
  readonly state: string;
  readonly uid: number;
}

/** @returns all processes that could be read; those that end meanwhile are left out */
export function readProcesses(procRoot: string): Process[] {
  return readdirSync(procRoot).flatMap((name) =>
    /^\d+$/.test(name) ? (readProcess(procRoot, Number(name)) ?? []) : [],
  );
}

/** One process, or undefined when it is gone. Reads stat of proc(5), whose second field may hold anything in parentheses. */
export function readProcess(procRoot: string, pid: number): Process | undefined {
  const stat = readProc(procRoot, pid, 'stat');
  const [state, parent, ...rest] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  const startTicks = Number(rest[17]);
  if (state === undefined || !Number.isInteger(startTicks)) return undefined;
  try {
    return { pid, parent: Number(parent), startTicks, state, uid: statSync(join(procRoot, String(pid))).uid };
  } catch {
    return undefined;
  }
}

/** The title that a process gave itself, or its command line, arguments joined by spaces. */
export function readTitle(procRoot: string, pid: number): string {
  return readProc(procRoot, pid, 'cmdline')?.replaceAll('\0', ' ').trimEnd() ?? '';
}

/**
 * Whether a process belongs to a unit. Both layouts of cgroups are understood: version 2 has one line `0::PATH`, the
 * hybrid one systemd's own `N:name=systemd:PATH`.
 */
export function isInUnit(procRoot: string, pid: number, unit: string): boolean {
  const lines = readProc(procRoot, pid, 'cgroup')?.split('\n') ?? [];
  return lines.some((line) => /^(0:|\d+:name=systemd):/.test(line) && line.split('/').includes(unit));
}

function readProc(procRoot: string, pid: number, file: string): string | undefined {
  try {
    return readFileSync(join(procRoot, String(pid), file), 'utf8');
  } catch {
    return undefined;
  }
}
