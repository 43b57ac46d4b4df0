import type { Plan } from '../status.ts';
import { ask } from './control-client.ts';
import type { Output } from './output.ts';

/** `s3files-sftp plan`: what the next sync would do, step by step. Nothing is changed. */
export async function plan(options: { json: boolean }, output: Output): Promise<number> {
  const next = await ask('plan', {});
  output.print(options.json ? JSON.stringify(next, undefined, 2) : renderPlan(next));
  return 0;
}

/** The plan for people: each step with its reason, then what waits and why. */
export function renderPlan({ steps, held, problems, waiting }: Plan): string {
  const lines = steps.map(
    (step) => `${step.do.padEnd(16)}${step.user}${'why' in step ? `  (${step.why})` : ''}`,
  );
  const isWhole = problems.every(({ user }) => user !== null);
  if (lines.length === 0)
    lines.push(
      isWhole
        ? 'nothing to do: the accounts are as the secrets say'
        : 'nothing to do by what is known, but not all secrets could be read',
    );
  if (waiting.length > 0) lines.push(`waiting for the mount: ${waiting.join(', ')}`);
  if (held !== null) {
    lines.push(`held: ${held.removals.length} removals`, ...held.removals.map((removal) => `  ${removal}`));
    lines.push(`to let them through: s3files-sftp sync --approve ${held.hash}`);
  }
  for (const { user, secret, problem } of problems) {
    const isFailure = user === null && secret === null;
    lines.push(isFailure ? `failed: ${problem}` : `refused: ${user ?? secret}: ${problem}`);
  }
  return lines.join('\n');
}
