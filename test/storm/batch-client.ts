import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Login } from '../bed/clients.ts';
import { type Argv, killGroup, saidAll, spawnBound } from '../bed/command.ts';
import { breakOff, type Started } from './break-off.ts';
import { contentOf } from './random.ts';
import { type Client, mustBeRefused, type Progress, type ServerSide, type Step } from './step.ts';

/** How a command-line client is told what to do; it runs a list of commands and stops at the first that fails. */
export interface Dialect {
  /**
   * What it says when the server refused something, for a client whose commands can't tell that from a connection that
   * is gone: a step that is to be refused then ends its run, and the next steps get another.
   */
  readonly refusal?: RegExp;
  /** @param slow so slow that the upload is under way for seconds */
  argv(login: Login, slow: boolean): Argv;
  /** Commands before all others. */
  readonly preamble: (login: Login, slow: boolean) => readonly string[];
  /** The commands for one step. @param local the file that it sends, or where what it gets is put */
  commands(step: Step, local: string): readonly string[];
  /** A command that writes a line to standard output. */
  readonly say: (text: string) => string;
  /** Whether it sends the rest only when it resumes; lftp may send all of it again. */
  readonly sendsOnlyTheRest: boolean;
  readonly timeoutMs: number;
}

/** A client that is a command with a list of commands: what it said last tells how far it came. */
export function batchClient(dialect: Dialect): Client {
  return async (login, steps, progress, server) => {
    const directory = await mkdtemp(join(tmpdir(), 'outbox-'));
    try {
      const last = steps.at(-1);
      const breaks = last?.kind === 'interrupt' || last?.kind === 'vanish';
      const usual = breaks ? steps.slice(0, -1) : steps;
      for (const run of runsOf(dialect, usual))
        await runBatch(dialect, login, run, directory, progress, server);
      if (breaks && last !== undefined) {
        progress.began(steps.length - 1);
        const whole: Step = { ...last, kind: 'put' };
        const startSlow = (local: string) => {
          const commands = dialect.commands(whole, local);
          return start(dialect, login, [...dialect.preamble(login, true), ...commands], true, () => {});
        };
        progress.done(steps.length - 1, await breakOff(startSlow, login, last, directory, server));
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  };
}

type Run = Array<readonly [index: number, step: Step]>;

function runsOf({ refusal }: Dialect, steps: readonly Step[]): Run[] {
  const runs: Run[] = [];
  let isOver = true;
  for (const [index, step] of steps.entries()) {
    if (isOver) runs.push([]);
    runs.at(-1)?.push([index, step]);
    isOver = refusal !== undefined && mustBeRefused(step);
  }
  return runs;
}

async function runBatch(
  dialect: Dialect,
  login: Login,
  run: Run,
  directory: string,
  progress: Progress,
  server: ServerSide,
): Promise<void> {
  const lines: string[] = [...dialect.preamble(login, false)];
  const sent = new Map<number, number>();
  for (const [index, planned] of run) {
    let step = planned;
    if (step.kind === 'resume') {
      const at = (await server.sizeOf(login.user, step.path)) ?? 0;
      if (dialect.sendsOnlyTheRest) sent.set(index, step.content.size - at);
      if (at === 0 || at >= step.content.size) {
        step = { ...step, kind: 'put' };
        sent.set(index, step.content.size);
      }
    }
    const local = join(directory, String(index));
    if ('content' in step) await writeFile(local, contentOf(step.content));
    lines.push(dialect.say(`began ${index}`), ...dialect.commands(step, local), dialect.say(`done ${index}`));
  }
  const [last, ending] = run.at(-1) ?? [];
  const refused = ending !== undefined && mustBeRefused(ending) ? dialect.refusal : undefined;
  let under: number | undefined;
  const told = (line: string) => {
    const [, word, said] = /^(began|done) (\d+)$/.exec(line) ?? [];
    const index = Number(said);
    if (word === 'began') {
      under = index;
      progress.began(index);
    }
    if (word !== 'done') return;
    // Nobody refused it: the error below leaves it in doubt.
    if (refused === undefined || index !== last) progress.done(index, sent.get(index));
  };
  const { child, failure } = start(dialect, login, lines, false, told);
  const deadline = setTimeout(() => killGroup(child), dialect.timeoutMs);
  await saidAll(child);
  clearTimeout(deadline);
  if (refused !== undefined && last !== undefined) {
    if (child.exitCode === 0) throw new Error(`${ending?.kind} was not refused`);
    if (under === last && refused.test(failure())) {
      progress.done(last);
      return;
    }
  }
  if (child.exitCode !== 0) throw new Error(`exit ${child.exitCode ?? child.signalCode}: ${failure()}`);
}

function start(
  dialect: Dialect,
  login: Login,
  lines: readonly string[],
  slow: boolean,
  told: (line: string) => void,
): Started {
  const child = spawnBound(dialect.argv(login, slow), { stdio: ['pipe', 'pipe', 'pipe'] });
  let rest = '';
  let errors = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) told(part);
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-500);
  });
  child.stdin?.on('error', () => {});
  child.stdin?.end(lines.map((line) => `${line}\n`).join(''));
  return { child, failure: () => errors.trim() };
}
