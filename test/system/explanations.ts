import type { CellResult } from './judge.ts';

const SILENT =
  'a helper that says nothing at all is given 46 s; the attempt under way when the cause went was still waited for';

/** Why a cell is not as promised, where that is known and left so: by its fault, or by fault and load. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  'helper-hangs': SILENT,
  'helper-hangs-mounting': SILENT,
};

/** @returns the explanation of a cell that is not as promised, or nothing where none is known */
export function explanationOf({ fault, load, faults }: CellResult): string {
  // It explains lateness, and nothing else that may be wrong with the cell.
  if (!faults.every((each) => /^served again after/.test(each))) return '';
  return EXPLANATIONS[`${fault}/${load}`] ?? EXPLANATIONS[fault] ?? '';
}
