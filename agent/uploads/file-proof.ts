import {
  type DeliverySchedule,
  delivered,
  type Found,
  type Sighting,
  type Verdict,
} from './delivery-plan.ts';
import type { FileQuestion } from './file-question.ts';
import type { Outstanding } from './state.ts';

/** A file on the mount as it stands. */
export interface FileState {
  readonly bytes: number;
  /** When its content or its attributes last changed: of its times the one that no client can set. In ms since 1970. */
  readonly changedAt: number;
}

/**
 * Asks the file itself where the log alone can't tell whether a version is an upload's. S3 Files knows nothing of open
 * files: one that stays open after its last write is exported before it is closed, and closing it changes nothing, so
 * no newer version ever comes. And the log's bytes are no size where a file was added to, or had two writers.
 * @returns the verdict that the version is the upload's, or undefined: it is not, or nothing shows it
 */
export async function proveByFile(
  item: Outstanding,
  sighting: Sighting,
  schedule: DeliverySchedule,
  ask: FileQuestion,
): Promise<Verdict | undefined> {
  if (sighting.kind !== 'found' || !canBeItsVersion(sighting, item)) return undefined;
  const file = await ask(item, (path) => ['stat', '--format=%s %.3Z', '--', path], fileStateOf);
  return file !== null && isAsItStands(sighting, file, schedule) ? delivered(item, sighting) : undefined;
}

/** Anything older is another upload's, and the file is not asked about it: that is what most versions are that wait. */
function canBeItsVersion({ modifiedAt }: Found, { openedAt, closedAt, renamedAt }: Outstanding): boolean {
  return modifiedAt >= Math.max(openedAt ?? closedAt, renamedAt ?? 0);
}

/**
 * Whether a version holds what the file does: it was made when the file had been quiet already. Half of the time that
 * the export waits allows for clocks that differ, and for S3's cut of a second's fraction.
 */
export function isAsItStands(
  { bytes, modifiedAt }: Pick<Found, 'bytes' | 'modifiedAt'>,
  file: FileState,
  { exportDelayMs }: Pick<DeliverySchedule, 'exportDelayMs'>,
): boolean {
  return bytes === file.bytes && modifiedAt >= file.changedAt + exportDelayMs / 2;
}

/** @param output of stat(1): the size in bytes, and the time of the last change in seconds with three decimals */
export function fileStateOf(output: string): FileState | null {
  const match = /^(\d+) (\d+\.\d{3})\n?$/.exec(output);
  return match === null ? null : { bytes: Number(match[1]), changedAt: Math.round(Number(match[2]) * 1000) };
}
