import type { CellResult } from './judge.ts';

/** Why a cell is not as promised, where that is known and left so: by its fault, or by fault and load. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  'helper-hangs':
    'a helper that says nothing at all is given 46 s; the attempt under way when the cause went was still waited for',
};

export function explanationOf({ fault, load }: CellResult): string {
  return EXPLANATIONS[`${fault}/${load}`] ?? EXPLANATIONS[fault] ?? '';
}
