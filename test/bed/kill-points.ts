import { watch } from 'node:fs';
import type { Bed } from './boot.ts';
import { type Argv, ended, spawnBound, until } from './command.ts';
import { AGENT } from './product.ts';

/** Where the agent is killed with SIGKILL. */
export type KillPoint =
  /**
   * At a tool that the agent starts: before it does anything, while it runs, or when it has done its work and the
   * agent does not know yet. `nth` counts from 1.
   */
  | {
      readonly tool: string;
      readonly when: 'before' | 'during' | 'after';
      readonly nth?: number;
      readonly argument?: string;
    }
  /** At a system call of the agent's own on a path, before the kernel carries it out. `nth` counts from 1. */
  | { readonly call: string; readonly path?: string; readonly nth?: number }
  /** As soon as such a name appears in a directory, made or moved there. */
  | { readonly directory: string; readonly name: RegExp };

/** Writable for the agent's children in its sandbox. */
const ORDER_FILE = '/run/s3files-sftp/kill-point';

/** Stands in a tool's place; without an order it is the tool. Its parent is the agent. */
const WRAPPER = `#!/bin/sh
real="$0.real"
case "$(cat ${ORDER_FILE} 2>/dev/null)" in
  "\${0##*/} before 1 "*) order=before ;;
  "\${0##*/} during 1 "*) order=during ;;
  "\${0##*/} after 1 "*) order=after ;;
  "\${0##*/} "*) order=count ;;
  *) exec "$real" "$@" ;;
esac
read -r tool when nth argument < ${ORDER_FILE}
case " $* " in *"$argument"*) ;; *) exec "$real" "$@" ;; esac
case $order in
  count) echo "$tool $when $((nth - 1)) $argument" > ${ORDER_FILE}; exec "$real" "$@" ;;
  before) kill -9 $PPID; sleep 5 ;;
  during) exec 3<&0; "$real" "$@" <&3 & sleep 0.01; kill -9 $PPID; sleep 5 ;;
  after) "$real" "$@"; kill -9 $PPID; sleep 5 ;;
esac
`;

/** Puts a wrapper in the place of tools, so that {@link killAt} can meet the agent at them. */
export async function wrapTools(bed: Bed, tools: readonly string[]): Promise<void> {
  for (const tool of tools) {
    const path = (
      await bed.run(['sh', '-c', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin; command -v "$1"', 'sh', tool])
    ).trim();
    await bed.run(['mv', path, `${path}.real`]);
    await bed.writeFile(path, WRAPPER, '755');
  }
}

/**
 * Runs something that makes the agent work, has it die by SIGKILL at one point of it, and waits for that.
 * @throws Error when it did not get there
 */
export async function killAt(bed: Bed, point: KillPoint, work: () => Promise<unknown>): Promise<void> {
  const pid = Number(await bed.unit(AGENT, 'MainPID'));
  const outside = bed.pidOutside(pid);
  const disarm = await arm(bed, outside, point);
  try {
    await work();
    const isGone = async () => Number(await bed.unit(AGENT, 'MainPID')) !== pid;
    await until(`the agent to die at ${describe(point)}`, isGone, { timeoutMs: 15_000, everyMs: 50 });
    // systemd says how: anything but the signal would be a crash of another kind.
    const log = await bed.run(['journalctl', '-o', 'cat', '-n', '40', '-u', AGENT, '_PID=1']);
    if (!/code=killed, status=9\/KILL/.test(log)) throw new Error(`the agent ended otherwise:\n${log}`);
  } finally {
    await disarm();
  }
}

function describe(point: KillPoint): string {
  return 'name' in point ? `${point.name} in ${point.directory}` : JSON.stringify(point);
}

async function arm(bed: Bed, pid: number, point: KillPoint): Promise<() => Promise<void>> {
  if ('tool' in point) return await armTool(bed, point);
  return 'call' in point ? await armCall(pid, point) : armName(pid, point);
}

function armName(
  pid: number,
  { directory, name }: Extract<KillPoint, { name: RegExp }>,
): () => Promise<void> {
  const watcher = watch(`/proc/${pid}/root${directory}`, (_, changed) => {
    if (changed === null || !name.test(changed)) return;
    watcher.close();
    process.kill(pid, 'SIGKILL');
  });
  return async () => watcher.close();
}

async function armTool(
  bed: Bed,
  { tool, when, nth = 1, argument = '' }: Extract<KillPoint, { tool: string }>,
) {
  await bed.writeFile(ORDER_FILE, `${tool} ${when} ${nth} ${argument}\n`);
  return async () => {
    await bed.exec(['rm', '-f', ORDER_FILE]);
  };
}

/** strace(1) delivers the signal as the call is entered; with one thread in Node's pool calls come in their order. */
async function armCall(pid: number, { call, path, nth = 1 }: Extract<KillPoint, { call: string }>) {
  const only = path === undefined ? [] : ['-P', path];
  const argv: Argv = [
    'strace',
    ...['--follow-forks', `--attach=${pid}`, `--trace=${call}`, ...only],
    `--inject=${call}:signal=SIGKILL:when=${nth}`,
  ];
  const tracer = spawnBound(argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  tracer.stderr?.on('data', (chunk) => {
    said += chunk;
  });
  await until('strace to attach', () => said.includes('attached') || undefined).catch((cause) => {
    throw new Error(`strace: ${said}`, { cause });
  });
  return async () => {
    tracer.kill('SIGTERM');
    await ended(tracer);
  };
}
