import { randomBytes } from 'node:crypto';
import type { Bed } from '../bed/boot.ts';
import type { Key, Login } from '../bed/clients.ts';
import type { Narrator } from './narrator.ts';
import { emptyTruth, type Truth } from './truth.ts';

/** What the chapters share: the host, who tells, and who takes part. */
export interface Story {
  readonly bed: Bed;
  readonly narrator: Narrator;
  readonly truth: Truth;
  /** acme has two keys, so that one can be revoked while the other goes on. */
  readonly acmeLaptop: Key;
  readonly acmeServer: Key;
  readonly globexKey: Key;
  readonly strangerKey: Key;
  readonly acme: Login;
  readonly globex: Login;
}

export async function createStory(bed: Bed, narrator: Narrator): Promise<Story> {
  const { clients } = bed;
  const acmeLaptop = await clients.key('acme-laptop');
  const acmeServer = await clients.key('acme-server', 'ecdsa');
  const globexKey = await clients.key('globex');
  return {
    bed,
    narrator,
    truth: emptyTruth(),
    acmeLaptop,
    acmeServer,
    globexKey,
    strangerKey: await clients.key('stranger'),
    acme: { user: 'acme', key: acmeServer },
    globex: { user: 'globex', key: globexKey },
  };
}

/** Content that compresses to nothing and repeats nowhere. */
export const content = (bytes: number): Buffer => randomBytes(bytes);

/** Runs something and gives back how many seconds it took. */
export async function timed(run: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await run();
  return (performance.now() - began) / 1000;
}

export const seconds = (value: number): string => `${value.toFixed(1)} s`;
