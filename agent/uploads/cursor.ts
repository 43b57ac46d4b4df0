/** A line that was read. */
export interface Position {
  readonly cursor: string;
  /** Its wall clock, in ms since 1970. */
  readonly at: number;
}

/** journald's cursor is `s=<series>;i=<number>;b=<boot>;m=<monotonic>;t=<realtime>;x=<hash>`, all in hexadecimal. */
const CURSOR = /^s=([0-9a-f]+);i=([0-9a-f]+);b=([0-9a-f]+);m=([0-9a-f]+);/;

/**
 * Whether a line is no newer than one that was read before. journalctl may begin with lines from long before the
 * cursor that it was asked for when a journal has several files (seen with systemd 252), and none may count twice.
 */
export function isNotAfter(line: Position, read: Position): boolean {
  const [, series, number, boot, monotonic] = CURSOR.exec(line.cursor) ?? [];
  const [, readSeries, readNumber, readBoot, readMonotonic] = CURSOR.exec(read.cursor) ?? [];
  // Numbers go up within a series, whatever the clocks do; a journal that was begun anew has another series.
  if (series !== undefined && series === readSeries) return hex(number) <= hex(readNumber);
  if (boot !== undefined && boot === readBoot) return hex(monotonic) <= hex(readMonotonic);
  return line.at <= read.at;
}

/** Past 2^53 only for a counter of centuries. */
function hex(text: string | undefined): number {
  return Number.parseInt(text ?? '', 16);
}
