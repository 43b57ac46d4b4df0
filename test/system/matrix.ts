import { playCell } from './cell.ts';
import { FAULTS, HELPER_FAILURES, type MountFault } from './faults.ts';
import { type CellResult, judge } from './judge.ts';
import { LOADS, type Load } from './loads.ts';
import type { Vm } from './vm/machine.ts';

export interface Cell {
  readonly name: string;
  readonly fault: MountFault;
  readonly load: Load;
}

/**
 * The cells to run: all, or those that are named, as `FAULT` or `FAULT/LOAD`.
 * @throws Error for a name that does not exist
 */
export function chooseCells(only: readonly string[]): Cell[] {
  const loads = Object.keys(LOADS) as Load[];
  const all: Cell[] = [
    ...Object.entries<MountFault>(FAULTS).flatMap(([name, fault]) =>
      loads.map((load) => ({ name, fault, load })),
    ),
    ...Object.entries(HELPER_FAILURES).map(([name, fault]): Cell => ({ name, fault, load: 'idle' })),
  ];
  const matches = ({ name, load }: Cell, wanted: string) => wanted === name || wanted === `${name}/${load}`;
  const unknown = only.filter((wanted) => !all.some((cell) => matches(cell, wanted)));
  if (unknown.length > 0) throw new Error(`no such cell: ${unknown.join(', ')}; --list names them all`);
  return only.length === 0 ? all : all.filter((cell) => only.some((wanted) => matches(cell, wanted)));
}

/**
 * Plays the cells one after the other. One that could not be played at all is a failed one.
 * @param keep is given all results so far after each cell, so that a run that is cut off has not been in vain
 */
export async function runMatrix(
  vm: Vm,
  cells: readonly Cell[],
  say: (text: string) => void,
  keep: (results: readonly CellResult[]) => Promise<void>,
): Promise<CellResult[]> {
  const results: CellResult[] = [];
  for (const { name, fault, load } of cells) {
    const began = performance.now();
    let result: CellResult;
    try {
      result = judge(name, load, fault, await playCell(vm, load, fault));
    } catch (error) {
      result = unplayed(name, load, error);
    }
    results.push(result);
    const seconds = Math.round((performance.now() - began) / 1000);
    const place = `${String(results.length).padStart(3)}/${cells.length}`;
    say(`${place}  ${inBrief(result)}  (${seconds} s)`);
    await keep(results);
  }
  return results;
}

function inBrief({ fault, load, detectSeconds, recoverSeconds, faults }: CellResult): string {
  const times = `noticed ${detectSeconds ?? '–'} s, served again ${recoverSeconds ?? '–'} s`;
  return `${faults.length === 0 ? 'ok  ' : 'FAIL'} ${fault}/${load}: ${faults.length === 0 ? times : `${faults.join('; ')} (${times})`}`;
}

function unplayed(fault: string, load: Load, error: unknown): CellResult {
  const cause = error instanceof Error ? error.message : String(error);
  return {
    fault,
    load,
    detectSeconds: null,
    refuseSeconds: null,
    recoverSeconds: null,
    partners: {},
    lostBytes: 0,
    wrongDisk: [],
    left: [],
    agentAlive: true,
    pingAgeSeconds: 0,
    faults: [`not played to its end: ${cause.slice(0, 300)}`],
    said: '',
    note: '',
  };
}
