import type { Bed } from './boot.ts';
import { type Argv, ended, spawnBound, until } from './command.ts';
import { AGENT } from './product.ts';

export interface Writes {
  /** Command lines that the agent and its children executed. */
  readonly programs: readonly string[];
  /** Paths that they opened for writing, made, moved, removed, or changed owner or mode of. */
  readonly paths: readonly string[];
}

const CHANGES =
  'openat,open,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,symlink,symlinkat,link,linkat,' +
  'chmod,fchmod,fchmodat,chown,fchown,fchownat,lchown,truncate,ftruncate,utimensat';

/** Watches by strace(1) what the agent starts and writes while something happens. */
export async function traceWrites(bed: Bed, during: () => Promise<void>): Promise<Writes> {
  const pid = bed.pidOutside(Number(await bed.unit(AGENT, 'MainPID')));
  const argv: Argv = [
    'strace',
    ...[
      '--follow-forks',
      `--attach=${pid}`,
      '--decode-fds=path',
      '--string-limit=4096',
      `--trace=execve,${CHANGES}`,
    ],
  ];
  const tracer = spawnBound(argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  tracer.stderr?.on('data', (chunk) => {
    said += chunk;
  });
  await until('strace to attach', () => said.includes('attached') || undefined);
  await during();
  tracer.kill('SIGTERM');
  await ended(tracer);
  const lines = said.split('\n').filter((line) => !/= -1 E/.test(line));
  // The flags of an open stand where it begins, and not where it is resumed after another thread's call.
  const isChange = (line: string) =>
    !/\b(open|openat)(\(| resumed>)/.test(line) || /O_WRONLY|O_RDWR|O_CREAT/.test(line);
  return {
    programs: lines.flatMap(
      (line) => /execve\("[^"]*", \[(.*?)\]/.exec(line)?.[1]?.replaceAll('"', '').replaceAll(',', '') ?? [],
    ),
    paths: lines
      .filter((line) => !line.includes('execve(') && isChange(line))
      .flatMap((line) => [...line.matchAll(/["<](\/[^">]*)[">]/g)].map(([, path = '']) => path)),
  };
}
