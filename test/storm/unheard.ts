import type { Expected, Operation, Outage, Truth } from './truth.ts';
import type { Told } from './verdict.ts';

/**
 * The way to a session's log leads through the mount: what it does while that goes under may reach the disk and the
 * client, and not the log. Such an upload is told as failed by its session's end, never as nothing.
 */
export function isUnheard({ outages }: Truth, { path, uploadedAs, at }: Expected, told: Told): boolean {
  if (!isDuring(outages, at)) return false;
  return told.id.endsWith('.lost') && told.path === (uploadedAs ?? path) && told.bytes === null;
}

/** Whether an operation can be missing in the log for that reason. */
export function isUnheardOperation({ outages }: Truth, { at }: Operation): boolean {
  return isDuring(outages, at);
}

/** A refusal that could not be told leaves the opening that was refused, which ends with its session. */
export function isUnheardRefusal({ outages, operations }: Truth, { id, user, path }: Told): boolean {
  const refusal = `ERROR ${user}${path} open`;
  return id.endsWith('.lost') && operations.some(({ what, at }) => what === refusal && isDuring(outages, at));
}

function isDuring(outages: readonly Outage[], time: number): boolean {
  return outages.some(({ from, to }) => from <= time && time <= to);
}
