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

/** Whether only the wall clock could tell which of two lines came first: they share neither a series nor a boot. */
export function isForeign(line: Position, read: Position): boolean {
  const [, series, , boot] = CURSOR.exec(line.cursor) ?? [];
  const [, readSeries, , readBoot] = CURSOR.exec(read.cursor) ?? [];
  return series !== readSeries && boot !== readBoot;
}

/**
 * journalctl finds its place in a foreign series by the wall clock, and skips what a clock that was set back dated
 * before the last line read.
 * @returns whether that can have happened: the line is not its series' first, and its boot began before that last line
 */
export function mayFollowSkipped(line: Position, read: Position): boolean {
  const [, , number, , monotonic] = CURSOR.exec(line.cursor) ?? [];
  const bootedAt = line.at - hex(monotonic) / 1000;
  return isForeign(line, read) && hex(number) > 1 && bootedAt < read.at;
}

/** Past 2^53 only for a counter of centuries. */
function hex(text: string | undefined): number {
  return Number.parseInt(text ?? '', 16);
}
