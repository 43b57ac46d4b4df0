import type { CellResult } from './judge.ts';

const SILENT =
  'a helper that says nothing at all is given 46 s; the attempt under way when the cause went was still waited for';

const SLOW =
  'the helper fails only after 32 s here, twice its own 15 s; the attempt under way when the cause went was waited for';

const FROZEN =
  'the build played here waited 6 s for a tunnel that a frozen watchdog does not start, and 5 s for a umount that was ' +
  'done already; both are mended since, and not played again';

/** Why a cell is not as promised, where that is known and left so: by its fault, or by fault and load. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  'helper-hangs': SILENT,
  'helper-hangs-mounting': SILENT,
  'helper-security-group/idle': SLOW,
  'proxy-stopped-frozen-watchdog': FROZEN,
};

/** @returns the explanation of a cell that is not as promised, or nothing where none is known */
export function explanationOf({ fault, load, faults }: CellResult): string {
  // It explains lateness, and nothing else that may be wrong with the cell.
  if (!faults.every((each) => /^served again after/.test(each))) return '';
  return EXPLANATIONS[`${fault}/${load}`] ?? EXPLANATIONS[fault] ?? '';
}
