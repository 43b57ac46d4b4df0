import type { MountFault } from './faults.ts';
import type { Load } from './loads.ts';

/**
 * Whether the kernel refused a fault because the mount is in use, as it may under load.
 * @param result of the fault's script
 * @throws Error where it failed in any other way: then nothing was broken, and a cell that passes would prove nothing
 */
export function wasRefused(
  { refusedByKernel }: MountFault,
  load: Load,
  result: { readonly code: number; readonly stderr: string },
): boolean {
  if (result.code === 0) return false;
  const said = result.stderr.trim() || `exit ${result.code}`;
  if (!refusedByKernel?.words.test(result.stderr)) throw new Error(`could not break it: ${said}`);
  if (load === 'idle') throw new Error(`could not break it, though nobody uses the mount: ${said}`);
  return true;
}
