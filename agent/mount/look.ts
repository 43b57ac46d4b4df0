import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperationError } from '../operation-error.ts';
import { readFileIfExists } from '../os/files.ts';
import { identify, type MountExpectation, type Sight } from './identity.ts';
import { parseMountinfo } from './mountinfo.ts';
import { STATE_DIRECTORY, stateFileName } from './state-file.ts';

/** The host's mounts as PID 1 sees them; the agent's own namespace may lag or differ. */
const HOST_MOUNTINFO = '/proc/1/mountinfo';

export interface LookOptions {
  readonly path: string;
  readonly fileSystemId: string;
  readonly expectation: MountExpectation;
  /** Tests look elsewhere. */
  readonly mountinfo?: string;
  readonly stateDirectory?: string;
}

/**
 * Looks at what is mounted. Reads only /proc and the helper's state directory, so it can't hang on the mount.
 * @throws OperationError when mountinfo can't be read
 */
export async function look(options: LookOptions): Promise<Sight> {
  const { path, fileSystemId, expectation } = options;
  const mountinfo = options.mountinfo ?? HOST_MOUNTINFO;
  const directory = options.stateDirectory ?? STATE_DIRECTORY;
  let text: string;
  try {
    text = await readFile(mountinfo, 'utf8');
  } catch (cause) {
    throw new OperationError({ op: 'read', target: mountinfo }, cause);
  }
  const stateNames: string[] = await readdir(directory).catch(() => []);
  const texts = new Map<string, string>();
  // Several ports may have a file for this path; all are read, since which one counts is not known here.
  for (const name of stateNames) {
    const port = Number(/\.(\d{1,5})$/.exec(name)?.[1]);
    if (stateFileName([name], path, port) === undefined) continue;
    const state = await readFileIfExists(join(directory, name)).catch(() => undefined);
    if (state !== undefined) texts.set(name, state);
  }
  const entries = parseMountinfo(text);
  return identify({
    path,
    fileSystemId,
    expectation,
    entries,
    stateNames,
    stateText: (name) => texts.get(name),
  });
}
