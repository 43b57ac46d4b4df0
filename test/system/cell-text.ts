import { explanationOf } from './explanations.ts';
import type { CellResult } from './judge.ts';

/** A cell's result, and when it came about. */
export interface PlayedCell extends CellResult {
  /** In ISO form. */
  readonly at: string;
  /** What was not as promised when it was played before, oldest first. */
  readonly earlier: readonly string[];
}

/** A cell's times in short. */
export function cellText(result: CellResult | undefined): string {
  if (result === undefined) return 'not run';
  if (!result.played) return '**not played**';
  if (result.note !== '' && result.faults.length === 0) return 'refused';
  const times = `${result.detectSeconds ?? '–'} / ${result.recoverSeconds ?? '–'}`;
  return result.faults.length === 0 ? times : `**${times}**`;
}

/** What is not as promised, and why; and what it was before. */
export function remarksOf(result: PlayedCell): string {
  const explanation = result.faults.length === 0 ? '' : explanationOf(result);
  const before = result.earlier.map((each) => `before: ${each}`);
  return [result.note, ...result.faults, explanation, ...before]
    .filter((each) => each !== '')
    .join('; ')
    .replaceAll('|', '\\|')
    .replaceAll('\n', ' ');
}
