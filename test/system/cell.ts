import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../bed/command.ts';
import type { Course } from './evidence.ts';
import type { MountFault } from './faults.ts';
import { wasRefused } from './injection.ts';
import { isUnderWay, type Load, stopLoad } from './loads.ts';
import { clock, takeEvidence } from './take-evidence.ts';
import type { Vm } from './vm/machine.ts';

/** The newest of what observer.py saw. */
interface Now {
  readonly door: string;
  readonly health: string;
  /** Since when the helper's watchdog is up, by a clock of systemd's; null while it is not. */
  readonly helperWatchdogSince: number | null;
}

const HEALTHY_MS = 30_000;
/** Waited for until the agent refuses; the criterion is stricter, this only ends a hopeless wait. */
const NOTICE_MS = 40_000;
const RECOVER_MS = 120_000;
/** What a partner under load does after the recovery, until it counts as stuck. */
const AFTERMATH_MS = 70_000;
/** The helper's watchdog takes a dead port's state away within this: five looks, its 30 s, and slow processors. */
const TIDIED_MS = 60_000;

/** Plays one fault under one load, from a kept state to the evidence. */
export async function playCell(vm: Vm, load: Load, fault: MountFault): Promise<Course> {
  await vm.load(load);
  await until('the mount to be healthy', async () => isWell(await now(vm)), {
    timeoutMs: HEALTHY_MS,
    everyMs: 250,
  });

  if (!(await isUnderWay(vm, load))) throw new Error('the partners had come to an end before anything broke');
  const { helperWatchdogSince } = await now(vm);

  const injected = await vm.exec(['sh', '-c', fault.inject], { timeoutMs: 30_000 });
  const injectedAt = injected.began;
  const refusedByKernel = wasRefused(fault, load, injected);

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
    const noticed =
      fault.breaks === 'helper-watchdog'
        ? (seen: Now) => ![null, helperWatchdogSince].includes(seen.helperWatchdogSince)
        : ({ door, health }: Now) => door === 'refused' || !isCalm(health);
    await waitFor(vm, noticed, fault.mayPassUnnoticed ? 12_000 : NOTICE_MS);
  }
  await waitFor(vm, isWell, RECOVER_MS);
  const upload = await vm.exec(['python3', '/usr/lib/bed/partners.py', 'once', 'p10'], { timeoutMs: 90_000 });
  const loadEnded = await settlePartners(vm, load);
  await stopLoad(vm);
  const tidied = fault.tidied === true && load === 'idle';
  if (tidied) await sleep(TIDIED_MS);
  const evidence = await takeEvidence(vm, injectedAt, tidied);
  return { injectedAt, clearedAt, refusedByKernel, uploadWorks: upload.code === 0, loadEnded, evidence };
}

/** The cause stays until the agent refuses partners, until it says why it failed, and as long as the fault says. */
async function holdOut(vm: Vm, { holdSeconds = 0, diagnosis }: MountFault): Promise<void> {
  const began = performance.now();
  await waitFor(vm, ({ door }) => door === 'refused', NOTICE_MS);
  if (diagnosis !== undefined) await waitFor(vm, ({ health }) => health === 'failed', NOTICE_MS);
  const left = holdSeconds * 1000 - (performance.now() - began);
  await sleep(Math.max(left, 3_000));
}

/** Partners who were at it when it broke finish, or are found to be stuck. @returns whether all came to an end */
async function settlePartners(vm: Vm, load: Load): Promise<boolean> {
  if (load === 'sessions') await vm.sh('touch /run/bed/use');
  if (load === 'upload' || load === 'storm') await vm.sh('touch /run/bed/stop');
  const waited = await vm.exec(
    ['sh', '-c', 'while systemctl --quiet is-active bed-load; do sleep 0.5; done'],
    { timeoutMs: AFTERMATH_MS },
  );
  return waited.code === 0;
}

async function waitFor(vm: Vm, holds: (now: Now) => boolean, timeoutMs: number): Promise<void> {
  await until('', async () => holds(await now(vm)), { timeoutMs, everyMs: 250 }).catch(() => {});
}

const isCalm = (health: string) => health === 'healthy' || health === 'suspect';
const isWell = ({ door, health }: Now) => door === 'served' && health === 'healthy';

async function now(vm: Vm): Promise<Now> {
  return JSON.parse(await vm.run(['cat', '/run/bed/now.json']));
}
