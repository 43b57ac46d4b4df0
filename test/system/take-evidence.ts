import type { Evidence } from './evidence.ts';
import type { Vm } from './vm/machine.ts';

/**
 * Takes all evidence since a moment of the guest's.
 * @param tidied whether the helper's watchdog must have taken away by now what it ever does
 */
export async function takeEvidence(vm: Vm, since: number, tidied = false): Promise<Evidence> {
  const argv = ['python3', '/usr/lib/bed/collect.py', String(since), ...(tidied ? ['tidied'] : [])] as const;
  return JSON.parse(await vm.run(argv, { timeoutMs: 90_000 }));
}

/** The guest's clock, in seconds since 1970. */
export async function clock(vm: Vm): Promise<number> {
  return (await vm.exec(['true'])).began;
}
