import type { OpenFile, Program } from './program-client.ts';
import { contentOf } from './random.ts';
import type { Step } from './step.ts';

type Of<K extends Step['kind']> = Extract<Step, { kind: K }>;

/** Another session of the same partner, by the same client. */
export type Connect = () => Promise<Program>;

/** Uploads a file that has lost or changed its name by the time it is closed. */
export async function nameGoesFirst(
  program: Program,
  step: Of<'remove-open' | 'rename-open'>,
): Promise<void> {
  const file = await program.open(step.path, 'w');
  await file.write(contentOf(step.content), 0);
  if (step.kind === 'remove-open') await program.remove(step.path);
  else await program.rename(step.path, step.to);
  await file.close();
}

/** Has one file open twice at once; see the step. */
export async function overlap(program: Program, step: Of<'overlap'>, connect: Connect): Promise<void> {
  const [one, two] = step.contents.map(contentOf);
  if (one === undefined || two === undefined) return;
  await besides(step.byOther ? connect : undefined, program, async (other) => {
    const first = await program.open(step.path, 'w');
    await first.write(one.subarray(0, step.before), 0);
    const second = await other.open(step.path, 'w');
    await second.write(two, 0);
    if (step.before < one.length) await first.write(one.subarray(step.before), step.before);
    const files: readonly OpenFile[] = step.closesFirst === 0 ? [first, second] : [second, first];
    for (const file of files) await file.close();
  });
}

/** Two sessions send the same file in turn, each when the other has its answer. */
export async function inTurn(program: Program, step: Of<'in-turn'>, connect: Connect): Promise<void> {
  await besides(connect, program, async (other) => {
    for (const [index, content] of step.contents.entries())
      await sendWhole(index % 2 === 0 ? program : other, step.path, contentOf(content));
  });
}

/** A session hangs half-way, the file is sent whole by another, and then the first breaks off. */
export async function sendAgain(program: Program, step: Of<'send-again'>, connect: Connect): Promise<void> {
  const content = contentOf(step.content);
  await besides(connect, program, async (hung) => {
    const file = await hung.open(step.path, 'w');
    await file.write(content.subarray(0, Math.floor(content.length / 2)), 0);
    await sendWhole(program, step.path, content);
    await hung.breakOff();
  });
}

export async function sendWhole(program: Program, path: string, content: Buffer): Promise<void> {
  const file = await program.open(path, 'w');
  await file.write(content, 0);
  await file.close();
}

/** @param connect the other session, or undefined where the other is the same */
export async function besides(
  connect: Connect | undefined,
  program: Program,
  work: (other: Program) => Promise<void>,
): Promise<void> {
  if (connect === undefined) return await work(program);
  const other = await connect();
  try {
    await work(other);
  } finally {
    await other.end();
  }
}
