import { playCell } from './cell.ts';
import type { Course } from './evidence.ts';
import { FAULTS, type MountFault } from './faults.ts';
import { HELPER_FAILURES } from './helper-failures.ts';
import { type CellResult, judge, unplayed } from './judge.ts';
import { LOADS, type Load } from './loads.ts';
import type { Vm } from './vm/machine.ts';

export interface Cell {
  readonly name: string;
  readonly fault: MountFault;
  readonly load: Load;
}

/** How a cell went: its course, or why there is none. */
export type Played = { readonly course: Course } | { readonly problem: string };

const LOAD_NAMES = Object.keys(LOADS) as Load[];

/** All cells, in the order in which they are played: of a run that is cut off, the faults of the mount come first. */
export const CELLS: readonly Cell[] = [
  ...Object.entries<MountFault>(FAULTS).flatMap(([name, fault]) =>
    LOAD_NAMES.map((load) => ({ name, fault, load })),
  ),
  ...Object.entries(HELPER_FAILURES).flatMap(([name, fault]) =>
    (['idle', ...(fault.alsoUnder ?? [])] as const).map((load): Cell => ({ name, fault, load })),
  ),
];

/**
 * The cells to run: all, or those that are named, as `FAULT` or `FAULT/LOAD`.
 * @throws Error for a name that does not exist
 */
export function chooseCells(only: readonly string[]): readonly Cell[] {
  const matches = ({ name, load }: Cell, wanted: string) => wanted === name || wanted === `${name}/${load}`;
  const unknown = only.filter((wanted) => !CELLS.some((cell) => matches(cell, wanted)));
  if (unknown.length > 0) throw new Error(`no such cell: ${unknown.join(', ')}; --list names them all`);
  return only.length === 0 ? CELLS : CELLS.filter((cell) => only.some((wanted) => matches(cell, wanted)));
}

/** What a cell's course says of the product. */
export function judgeCell({ name, fault, load }: Cell, played: Played): CellResult {
  return 'course' in played ? judge(name, load, fault, played.course) : unplayed(name, load, played.problem);
}

/** So many cells in a row that can't be played: the virtual machine is broken, and the rest would be, too. */
const HOPELESS = 3;

/**
 * Plays the cells one after the other.
 * @param keep is given each cell as soon as it is played, so that a run that is cut off has not been in vain
 * @throws Error when nothing can be played any more
 */
export async function runMatrix(
  vm: Vm,
  cells: readonly Cell[],
  say: (text: string) => void,
  keep: (cell: Cell, played: Played, result: CellResult) => Promise<void>,
): Promise<void> {
  let inVain = 0;
  for (const [index, cell] of cells.entries()) {
    const began = performance.now();
    const played = await playCell(vm, cell.load, cell.fault).then(
      (course): Played => ({ course }),
      (cause: unknown): Played => ({ problem: cause instanceof Error ? cause.message : String(cause) }),
    );
    const result = judgeCell(cell, played);
    const seconds = Math.round((performance.now() - began) / 1000);
    const place = `${String(index + 1).padStart(3)}/${cells.length}`;
    say(`${place}  ${inBrief(result)}  (${seconds} s)`);
    await keep(cell, played, result);
    inVain = result.played ? 0 : inVain + 1;
    if (inVain === HOPELESS) throw new Error(`${HOPELESS} cells in a row could not be played`);
  }
}

function inBrief({ fault, load, detectSeconds, recoverSeconds, faults }: CellResult): string {
  const times = `noticed ${detectSeconds ?? '–'} s, served again ${recoverSeconds ?? '–'} s`;
  return `${faults.length === 0 ? 'ok  ' : 'FAIL'} ${fault}/${load}: ${faults.length === 0 ? times : `${faults.join('; ')} (${times})`}`;
}
