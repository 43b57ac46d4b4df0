import { type Logger, pino, stdTimeFunctions } from 'pino';

/** One JSON line per event on standard output, which systemd hands to journald. */
export type Log = Logger;

/** journald's priorities (RFC 5424) by pino's levels, so that `journalctl -p err` finds errors. */
const PRIORITIES: Readonly<Record<string, number>> = {
  trace: 7,
  debug: 7,
  info: 6,
  warn: 4,
  error: 3,
  fatal: 2,
};

/**
 * @param level pino's name of the least level that is written
 * @param destination a writable with a synchronous `write`, for tests; by default standard output, written
 *   synchronously so that the last line before a crash is not lost
 */
export function createLog(level: string, destination?: { write(line: string): void }): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label, priority: PRIORITIES[label] ?? 6 }) },
    },
    destination ?? pino.destination({ dest: 1, sync: true }),
  );
}
