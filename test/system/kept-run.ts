import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { PlayedCell } from './cell-text.ts';
import { type Cell, judgeCell, type Played } from './matrix.ts';
import type { Outcome, Product } from './report.ts';
import type { Shutdown } from './shutdown.ts';

/**
 * The last whole run, kept below dist/: the evidence of each cell in a file of its own, judged anew whenever it is read.
 * It belongs to one build of the product; what another build did is never told on the same page.
 */
export interface KeptRun {
  readonly product: Product;
  /** Cells that were not played yet, or were not as promised when they were. */
  remaining(cells: readonly Cell[]): Promise<readonly Cell[]>;
  keep(cell: Cell, played: Played): Promise<void>;
  keepShutdowns(shutdowns: readonly Shutdown[]): Promise<void>;
  /** Adds to the minutes that the run has taken. */
  keepMinutes(minutes: number): Promise<void>;
  /** The run so far, judged. @param cells in the order of the page; those that were not played are missing in it */
  outcome(cells: readonly Cell[]): Promise<Outcome>;
}

/** A run's own file. */
interface Index {
  readonly product: Product;
  readonly minutes: number;
  readonly shutdowns: readonly Shutdown[];
}

/** A cell's file. */
interface Record {
  readonly played: Played;
  /** When it was played, in ISO form. */
  readonly at: string;
  /** What was not as promised when it was played before. */
  readonly earlier: readonly string[];
}

const DIRECTORY = join(import.meta.dirname, '../../dist/mount-faults');

/** @param rpm the product's path; the same sources give the same bytes */
export async function productOf(rpm: string): Promise<Product> {
  const sha256 = createHash('sha256')
    .update(await readFile(rpm))
    .digest('hex');
  return { name: basename(rpm, '.noarch.rpm'), sha256 };
}

/** Begins a whole run, and puts the last one aside, as `DIRECTORY.last`. @param directory tests have their own */
export async function beginRun(product: Product, directory = DIRECTORY): Promise<KeptRun> {
  await rm(`${directory}.last`, { recursive: true, force: true });
  await rename(directory, `${directory}.last`).catch(() => {});
  await writeJson(join(directory, 'run.json'), { product, minutes: 0, shutdowns: [] } satisfies Index);
  return await openRun(directory);
}

/** Goes on with the last whole run. @throws Error where there is none, or it was another build's */
export async function resumeRun(product: Product, directory = DIRECTORY): Promise<KeptRun> {
  const run = await openRun(directory);
  if (run.product.sha256 === product.sha256) return run;
  const [kept, now] = [run.product.sha256.slice(0, 12), product.sha256.slice(0, 12)];
  throw new Error(`the last run was of another build (${kept}) than this one (${now}): run without --resume`);
}

/** The last whole run. @throws Error where there is none */
export async function openRun(directory = DIRECTORY): Promise<KeptRun> {
  const indexPath = join(directory, 'run.json');
  const readIndex = async (): Promise<Index> => JSON.parse(await readFile(indexPath, 'utf8'));
  const change = async (part: Partial<Index>) =>
    await writeJson(indexPath, { ...(await readIndex()), ...part });
  const pathOf = ({ name, load }: Cell) => join(directory, `${name}@${load}.json`);
  const read = async (cell: Cell): Promise<Record | undefined> =>
    await readFile(pathOf(cell), 'utf8').then(JSON.parse, () => undefined);
  const judged = async (cell: Cell): Promise<PlayedCell | undefined> => {
    const record = await read(cell);
    if (record === undefined) return undefined;
    return { ...judgeCell(cell, record.played), at: record.at, earlier: record.earlier };
  };
  const { product } = await readIndex().catch((cause: unknown) => {
    throw new Error('there is no last run to go on with', { cause });
  });
  return {
    product,
    remaining: async (cells) => {
      const results = await Promise.all(cells.map(judged));
      return cells.filter((_, index) => results[index]?.faults.length !== 0);
    },
    keep: async (cell, played) => {
      const before = await judged(cell);
      const earlier =
        before === undefined ? [] : [...before.earlier, before.faults.join('; ') || 'as promised'];
      const record: Record = { played, at: new Date().toISOString(), earlier };
      await writeJson(pathOf(cell), record);
    },
    keepShutdowns: async (shutdowns) => await change({ shutdowns }),
    keepMinutes: async (minutes) => await change({ minutes: (await readIndex()).minutes + minutes }),
    outcome: async (cells) => {
      const results = (await Promise.all(cells.map(judged))).flatMap((result) => result ?? []);
      const { minutes, shutdowns } = await readIndex();
      return { product, results, planned: cells.length, shutdowns, minutes };
    },
  };
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, JSON.stringify(value));
  await rename(`${path}.new`, path);
}
