import { join } from 'node:path';
import { OperationError } from '../operation-error.ts';
import { readFileIfExists, removeFileDurable, writeFileDurable } from '../os/files.ts';

/**
 * Which mount partners may be served on, for the sshd-launcher: it starts no sshd on any other. So also one that
 * systemd starts again, or a person, while the agent is dead, serves the proven mount or nothing. In /run: after a
 * reboot nothing is proven.
 */
export interface MountProof {
  /** @returns whether another mount was proven until now @throws OperationError */
  write(proof: string): Promise<boolean>;
  /** Nothing is proven any more. @throws OperationError */
  remove(): Promise<void>;
}

/** @param runtime the directory of the product's in /run, which only root can write */
export function createMountProof(runtime: string): MountProof {
  const path = join(runtime, 'proven');
  return {
    write: async (proof) => {
      const line = `${proof}\n`;
      const before = await readFileIfExists(path);
      if (before === line) return false;
      if (/[\n\0]/.test(proof))
        throw new OperationError({ op: 'write', target: path }, 'no proof of a mount');
      await writeFileDurable(path, line, { mode: 0o644 });
      return before !== undefined;
    },
    remove: async () => {
      await removeFileDurable(path);
    },
  };
}
