/** Where a command writes: results to standard output, progress and errors to standard error. */
export interface Output {
  print(text: string): void;
  /** A line that may be replaced by the next; written only to a terminal. */
  progress(text: string): void;
  error(text: string): void;
}

export const terminal: Output = {
  print: (text) => process.stdout.write(`${text}\n`),
  progress: (text) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  },
  error: (text) => process.stderr.write(`${text}\n`),
};

/** A past moment as people say it: `12 s ago`. */
export function ago(at: number | null, now: number): string {
  if (at === null) return 'never';
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}
