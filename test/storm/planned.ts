import { fileName } from './names.ts';
import type { Random } from './random.ts';
import type { ClientKind, Content } from './step.ts';

/** A partner's files while the plan is made, so that later steps have something to work on. */
export interface Planned {
  number: number;
  seed: number;
  readonly whole: string[];
}

export const nextNumber = (planned: Planned): number => {
  planned.number += 1;
  return planned.number;
};

/** A file that no other of this partner's is. */
export function newPath(random: Random, client: ClientKind, planned: Planned): string {
  return `/upload/${fileName(random, client, nextNumber(planned))}`;
}

/** Most files are small, as partners' are; a few are large enough to be under way when something happens. */
export function newContent(random: Random, planned: Planned, size?: number): Content {
  planned.seed += 1;
  const usual = random.chance(0.9) ? random.between(1, 20_000) : random.between(20_000, 1_500_000);
  return { seed: planned.seed, size: size ?? usual };
}
