import { constants, lstatSync } from 'node:fs';
import { mkdir, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf, OperationError } from '../operation-error.ts';
import { syncDirectory } from '../os/files.ts';

/** sshd reads a key file as its user, so everybody may pass; who else may write makes it refuse the file (StrictModes). */
const MODE = 0o755;
const OTHERS_WRITE = 0o022;
const ALL_PASS = 0o111;
const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;

/**
 * Makes the directory of the key files, or puts right what somebody has changed of it or of the directory that it is
 * in: sshd refuses every key file below one that is not root's, or that others may write to. Costs two looks where all
 * is well. Only for a directory in which root alone can make anything.
 * @returns what was put right
 * @throws OperationError
 */
export async function keepKeyDirectory(path: string): Promise<string[]> {
  const parent = dirname(path);
  try {
    const repaired: string[] = [];
    await mkdir(parent, { recursive: true, mode: MODE });
    const around = lstatSync(parent);
    const fit = (around.mode & 0o7777 & ~OTHERS_WRITE) | ALL_PASS;
    if (around.uid !== 0 || around.gid !== 0 || (around.mode & 0o7777) !== fit)
      repaired.push(...(await giveToRoot(parent, fit)));
    let at = lstatSync(path, { throwIfNoEntry: false });
    // What it leads to is left alone; the keys are written anew.
    if (at?.isSymbolicLink()) {
      await unlink(path);
      repaired.push(`${path} was a link`);
      at = undefined;
    }
    if (at === undefined) {
      await mkdir(path, { mode: MODE });
      await syncDirectory(parent);
      repaired.push(`${path} was made`);
      at = lstatSync(path);
    }
    if (at.uid !== 0 || at.gid !== 0 || (at.mode & 0o7777) !== MODE)
      repaired.push(...(await giveToRoot(path, MODE)));
    return repaired;
  } catch (cause) {
    const isFile = codeOf(cause) === 'ENOTDIR' || codeOf(cause) === 'EEXIST';
    const hint = isFile
      ? 'move away what is there; until then no partner can log in'
      : 'it must be a directory of root’s with mode 755, else sshd refuses every partner';
    throw new OperationError({ op: 'keep key directory', target: path, hint }, cause);
  }
}

async function giveToRoot(path: string, mode: number): Promise<string[]> {
  const directory = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    const at = await directory.stat();
    const had = `${at.uid}:${at.gid} ${(at.mode & 0o7777).toString(8)}`;
    await directory.chown(0, 0);
    await directory.chmod(mode);
    return [`${path} had owner and mode ${had}`];
  } finally {
    await directory.close();
  }
}
