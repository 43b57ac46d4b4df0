import { exec } from '../os/exec.ts';
import { CHECKS, type Check, type Finding } from './doctor-checks.ts';
import type { Output } from './output.ts';

/**
 * `s3files-sftp doctor`: looks at everything the product needs of this host, in the order in which a fault would be
 * felt, and says what to do about each. Asks nothing of the agent, so that it works when the agent does not.
 * @returns the exit status: 0 when every check passes
 */
export async function doctor(options: { json: boolean }, output: Output): Promise<number> {
  const findings: Array<Finding & { name: string }> = [];
  for (const check of CHECKS) {
    output.progress(`checking: ${check.name}`);
    findings.push({ name: check.name, ...(await run(check)) });
  }
  output.progress('');
  if (options.json) output.print(JSON.stringify(findings, undefined, 2));
  else output.print(findings.map(render).join('\n'));
  return findings.every(({ ok }) => ok) ? 0 : 1;
}

async function run(check: Check): Promise<Finding> {
  try {
    return await check.run({ exec });
  } catch (cause) {
    return { ok: false, detail: cause instanceof Error ? cause.message : String(cause) };
  }
}

function render({ name, ok, detail, hint }: Finding & { name: string }): string {
  const line = `${ok ? 'ok   ' : 'FAIL '} ${name}: ${detail}`;
  return ok || hint === undefined ? line : `${line}\n      → ${hint}`;
}
