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

/** `stat -f` run with a deadline: what its ending says. */
export function statfsFinding(result: ExecResult): Finding {
  switch (result.outcome) {
    case 'exited':
      if (result.code === 0) return { fault: 'none', detail: 'it answers' };
      return fromText(result.stderr, 'statfs');
    case 'timeout':
      return { fault: 'hung', detail: `statfs had no answer within ${result.timeoutMs / 1000} s` };
    case 'signaled':
      return { fault: 'hung', detail: `statfs was killed by ${result.signal}` };
    case 'unstartable':
      return { fault: 'hung', detail: `the probe could not be started: ${result.cause.message}` };
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
 * The write probe run with a deadline: what its ending and its report say.
 * @returns undefined where it was killed before it came to the mount: that says something of the host only
 */
export function writeFinding(result: ExecResult): Finding | undefined {
  if (result.outcome === 'unstartable') {
    return { fault: 'hung', detail: `the write probe could not be started: ${result.cause.message}` };
  }
  const report = parseReport(result.stdout);
  if (result.outcome === 'timeout') {
    if (report === undefined) return undefined;
    return { fault: 'hung', detail: `a write had no answer within ${result.timeoutMs / 1000} s` };
  }
  if (report?.step === 'begun') return { fault: 'hung', detail: 'a write had no answer until its deadline' };
  if (report?.step === 'done') return { fault: 'none', detail: 'it takes writes' };
  // Without a report it never got as far as the mount, for the mount's fault or, where one before it lingers, not.
  if (report === undefined && isUnitTaken(result.stderr)) return undefined;
  if (report === undefined) return fromText(result.stderr, 'the write probe');
  const known = ERRNO.find(([code]) => code === report.code);
  return {
    fault: known?.[2] ?? 'stale',
    detail: `the write probe failed to ${report.step}: ${report.message ?? report.code ?? 'unknown error'}`,
  };
}

function fromText(stderr: string, what: string): Finding {
  const known = ERRNO.find(([, text]) => stderr.includes(text));
  const lastLine = stderr.trimEnd().split('\n').at(-1) ?? '';
  const detail = `${what} failed: ${lastLine === '' ? 'no reason given' : lastLine.slice(0, 300)}`;
  return { fault: known?.[2] ?? 'stale', detail };
}

function parseReport(stdout: string): WriteProbeReport | undefined {
  try {
    const report: unknown = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
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

/** systemd-run(1), where a unit of that name is still there. */
function isUnitTaken(stderr: string): boolean {
  return /Unit \S+ (?:was already loaded|already exists)/.test(stderr);
}
