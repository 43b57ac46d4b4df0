import type { ExecResult } from '../os/exec.ts';
import type { Fault, Finding } from './health.ts';

/** What an error of the file system's says about the mount, by errno name (errno(3)) and by glibc's text of it. */
const ERRNO: ReadonlyArray<readonly [code: string, text: string, fault: Fault]> = [
  ['ESTALE', 'Stale file handle', 'stale'],
  // A FUSE file system whose process is dead.
  ['ENOTCONN', 'Transport endpoint is not connected', 'stale'],
  ['EIO', 'Input/output error', 'stale'],
  ['EROFS', 'Read-only file system', 'read-only'],
  ['EACCES', 'Permission denied', 'denied'],
  ['EPERM', 'Operation not permitted', 'denied'],
];

/** A probe that never came to the mount says nothing about it: the host failed it, and this is how. */
export interface NotProbed {
  readonly problem: string;
}

/** `stat -f` run with a deadline: what its ending says. */
export function statfsOutcome(result: ExecResult): Finding | NotProbed {
  switch (result.outcome) {
    case 'exited': {
      if (result.code === 0) return { fault: 'none', detail: 'it answers' };
      // Only what stat itself tells: a library that is missing, during an upgrade, fails it as well.
      const said = lastLine(result.stderr);
      if (!said.startsWith('stat: cannot ')) return { problem: `statfs failed: ${said}` };
      const known = ERRNO.find(([, text]) => said.includes(text));
      return { fault: known?.[2] ?? 'stale', detail: `statfs failed: ${said}` };
    }
    case 'timeout':
      return { fault: 'hung', detail: `statfs had no answer within ${result.timeoutMs / 1000} s` };
    case 'signaled':
      return { problem: `statfs was killed by ${result.signal}` };
    case 'unstartable':
      return { problem: `statfs could not be started: ${result.cause.message}` };
  }
}

/** What the write probe's child prints: a JSON line when it begins and one when it ends. */
export interface WriteProbeReport {
  /** `begun`, just before the mount is touched; then the step that failed, or `done`. */
  readonly step: string;
  readonly code?: string | undefined;
  readonly message?: string | undefined;
}

/**
 * The write probe run with a deadline: what its ending and its report say. Only a report speaks of the mount. Without
 * one the probe never came to it: systemd did not answer, Node.js is being upgraded, the host is slow, or the one
 * before it lingers.
 */
export function writeOutcome(result: ExecResult): Finding | NotProbed {
  if (result.outcome === 'unstartable') {
    return { problem: `the write probe could not be started: ${result.cause.message}` };
  }
  const report = parseReport(result.stdout);
  if (report === undefined) return { problem: `the write probe did not come to the mount: ${why(result)}` };
  if (report.step === 'done') return { fault: 'none', detail: 'it takes writes' };
  if (report.step === 'begun') {
    const within =
      result.outcome === 'timeout' ? `within ${result.timeoutMs / 1000} s` : 'until its deadline';
    return { fault: 'hung', detail: `a write had no answer ${within}` };
  }
  const known = ERRNO.find(([code]) => code === report.code);
  return {
    fault: known?.[2] ?? 'stale',
    detail: `the write probe failed to ${report.step}: ${report.message ?? report.code ?? 'unknown error'}`,
  };
}

function why(result: Exclude<ExecResult, { outcome: 'unstartable' }>): string {
  if (result.outcome === 'timeout') return `it had not begun after ${result.timeoutMs / 1000} s`;
  return lastLine(result.stderr);
}

function lastLine(text: string): string {
  const line = text.trimEnd().split('\n').at(-1) ?? '';
  return line === '' ? 'no reason given' : line.slice(0, 300);
}

/** The last whole report: one that is killed while it writes leaves half a line. */
function parseReport(stdout: string): WriteProbeReport | undefined {
  for (const line of stdout.trimEnd().split('\n').toReversed()) {
    const report = parseLine(line);
    if (report !== undefined) return report;
  }
  return undefined;
}

function parseLine(line: string): WriteProbeReport | undefined {
  try {
    const report: unknown = JSON.parse(line);
    if (typeof report !== 'object' || report === null || !('step' in report)) return undefined;
    const { step } = report;
    if (typeof step !== 'string') return undefined;
    const text = (key: string): string | undefined => {
      const value: unknown = Reflect.get(report, key);
      return typeof value === 'string' ? value.slice(0, 300) : undefined;
    };
    return { step: step.slice(0, 50), code: text('code'), message: text('message') };
  } catch {
    return undefined;
  }
}
