import { until } from '../bed/command.ts';
import type { Evidence } from './evidence.ts';
import type { MountFault } from './faults.ts';
import { type Load, stopLoad } from './loads.ts';
import type { Vm } from './vm/machine.ts';

/** When things happened in a cell, by the guest's clock, in seconds since 1970. */
export interface Course {
  readonly injectedAt: number;
  /** The cause was gone: cleared, or gone at once. */
  readonly clearedAt: number;
  /** The kernel refused the fault; nothing happened. */
  readonly refusedByKernel: boolean;
  /** Partners were served again, and one uploaded a file. */
  readonly uploadWorks: boolean;
  readonly evidence: Evidence;
}

/** The newest of what observer.py saw. */
interface Now {
  readonly door: string;
  readonly health: string;
}

const HEALTHY_MS = 30_000;
/** Waited for until the agent refuses; the criterion is stricter, this only ends a hopeless wait. */
const NOTICE_MS = 40_000;
const RECOVER_MS = 120_000;
/** What a partner under load does after the recovery, until it counts as stuck. */
const AFTERMATH_MS = 70_000;

/** Plays one fault under one load, from a kept state to the evidence. */
export async function playCell(vm: Vm, load: Load, fault: MountFault): Promise<Course> {
  await vm.load(load);
  await until('the mount to be healthy', async () => isWell(await now(vm)), {
    timeoutMs: HEALTHY_MS,
    everyMs: 250,
  });

  const injected = await vm.exec(['sh', '-c', fault.inject], { timeoutMs: 30_000 });
  const injectedAt = injected.began;
  const refusedByKernel = injected.code !== 0 && fault.refusedByKernel !== undefined;
  if (injected.code !== 0 && !refusedByKernel) throw new Error(`could not break it: ${injected.stderr}`);

  if (fault.needsUpload) {
    void vm
      .exec(['python3', '/usr/lib/bed/partners.py', 'once', 'p09'], { timeoutMs: 90_000 })
      .catch(() => {});
  }
  let clearedAt = await clock(vm);
  if (fault.clear !== undefined) {
    await holdOut(vm, fault);
    const cleared = await vm.exec(['sh', '-c', fault.clear], { timeoutMs: 30_000 });
    if (cleared.code !== 0) throw new Error(`could not take the cause away: ${cleared.stderr}`);
    clearedAt = await clock(vm);
  } else if (!refusedByKernel) {
    // Long enough that something that is to be noticed has been.
    await waitFor(
      vm,
      ({ door, health }) => door !== 'served' || !isCalm(health),
      fault.mayPassUnnoticed ? 12_000 : NOTICE_MS,
    );
  }
  await waitFor(vm, isWell, RECOVER_MS);
  const upload = await vm.exec(['python3', '/usr/lib/bed/partners.py', 'once', 'p10'], { timeoutMs: 90_000 });
  await settlePartners(vm, load);
  await stopLoad(vm);
  const evidence: Evidence = JSON.parse(
    await vm.run(['python3', '/usr/lib/bed/collect.py', String(injectedAt)], { timeoutMs: 60_000 }),
  );
  return { injectedAt, clearedAt, refusedByKernel, uploadWorks: upload.code === 0, evidence };
}

/** The cause stays until the agent refuses partners, and as long as the fault says. */
async function holdOut(vm: Vm, { holdSeconds = 0 }: MountFault): Promise<void> {
  const began = performance.now();
  await waitFor(vm, ({ door }) => door === 'refused', NOTICE_MS);
  const left = holdSeconds * 1000 - (performance.now() - began);
  await new Promise((resolve) => setTimeout(resolve, Math.max(left, 3_000)));
}

/** Partners who were at it when it broke finish, or are found to be stuck. */
async function settlePartners(vm: Vm, load: Load): Promise<void> {
  if (load === 'sessions') await vm.sh('touch /run/bed/use');
  if (load === 'upload' || load === 'storm') await vm.sh('touch /run/bed/stop');
  await vm.exec(['sh', '-c', 'while systemctl --quiet is-active bed-load; do sleep 0.5; done'], {
    timeoutMs: AFTERMATH_MS,
  });
}

async function waitFor(vm: Vm, holds: (now: Now) => boolean, timeoutMs: number): Promise<void> {
  await until('', async () => holds(await now(vm)), { timeoutMs, everyMs: 250 }).catch(() => {});
}

const isCalm = (health: string) => health === 'healthy' || health === 'suspect';
const isWell = ({ door, health }: Now) => door === 'served' && health === 'healthy';

async function now(vm: Vm): Promise<Now> {
  return JSON.parse(await vm.run(['cat', '/run/bed/now.json']));
}

/** The guest's clock. */
async function clock(vm: Vm): Promise<number> {
  return (await vm.exec(['true'])).began;
}
