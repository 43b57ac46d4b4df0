import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ended, killGroup, spawnBound } from '../bed/command.ts';
import { type Program, programClient } from './program-client.ts';
import type { Client } from './step.ts';

const SCRIPT = join(import.meta.dirname, 'paramiko_client.py');
const PORT = '2222';

/** paramiko, as a program in Python uses it. @param python with paramiko @param netns the bed's network */
export function paramikoClient(python: string, netns: string): Client {
  return programClient(async ({ user, key }): Promise<Program> => {
    const child = spawnBound(['nsenter', `--net=${netns}`, '--', python, SCRIPT, PORT, user, key.path], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const waiting: Array<{ resolve(value: unknown): void; reject(error: Error): void }> = [];
    const gone = ended(child).then(() => {
      for (const { reject } of waiting.splice(0)) reject(new Error('connection closed'));
    });
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null) throw new Error('no pipes');
    stdin.on('error', () => {});
    createInterface({ input: stdout }).on('line', (line) => {
      const { value, error } = JSON.parse(line);
      const waiter = waiting.shift();
      if (error === undefined) waiter?.resolve(value);
      else waiter?.reject(new Error(error));
    });
    const answer = async <T>() =>
      await new Promise<T>((resolve, reject) => {
        if (child.exitCode !== null || child.signalCode !== null) reject(new Error('connection closed'));
        waiting.push({ resolve: (value) => resolve(value as T), reject });
      });
    const ask = async <T = void>(request: Record<string, unknown>): Promise<T> => {
      stdin.write(`${JSON.stringify(request)}\n`);
      return await answer<T>();
    };
    await answer();
    let opened = 0;
    return {
      open: async (path, mode) => {
        opened += 1;
        const file = await ask<number>({ do: 'open', path, mode, file: opened });
        return {
          write: async (content, position) =>
            await ask({ do: 'write', file, position, content: Buffer.from(content).toString('base64') }),
          close: async () => await ask({ do: 'close', file, path }),
        };
      },
      get: async (path) => await ask<number>({ do: 'get', path }),
      rename: async (from, to) => await ask({ do: 'rename', path: from, to }),
      remove: async (path) => await ask({ do: 'remove', path }),
      mkdir: async (path) => await ask({ do: 'mkdir', path }),
      breakOff: async () => {
        killGroup(child);
        await gone;
      },
      end: async () => {
        stdin.end();
        const patience = setTimeout(() => killGroup(child), 5_000);
        await gone;
        clearTimeout(patience);
      },
    };
  });
}
