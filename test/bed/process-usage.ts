import { readFileSync } from 'node:fs';

/** What the kernel has charged to a process so far. */
export interface ProcessUsage {
  /** Seconds of CPU, its own threads only. */
  readonly cpuSeconds: number;
  /** Resident memory in MB of 10^6 bytes. */
  readonly residentMb: number;
  /** The most of it that there ever was. */
  readonly peakMb: number;
}

/** USER_HZ, which Linux has had at 100 on every architecture that this runs on (time(7)). */
const TICKS_PER_SECOND = 100;

/** Reads the usage of a process by its pid on this machine (proc(5)). @throws Error when it is gone */
export function processUsage(pid: number): ProcessUsage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field may hold anything in parentheses; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mb = (field: string) =>
    (Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024) / 1e6;
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    residentMb: mb('VmRSS'),
    peakMb: mb('VmHWM'),
  };
}
