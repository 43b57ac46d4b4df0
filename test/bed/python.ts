import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { commandOk } from './command.ts';

/** Installs moto, which plays AWS, with its server's and S3's needs only. @returns its Python */
export const motoPython = async (): Promise<string> =>
  await pythonWith(
    'moto',
    'installing moto, which plays AWS, once; it typically takes a quarter of a minute',
  );

/** Installs paramiko, an SFTP client as programs in Python use it. @returns its Python */
export const pythonWithParamiko = async (): Promise<string> =>
  await pythonWith('paramiko', 'installing paramiko, an SFTP client, once; it typically takes some seconds');

/** A virtual environment with what `<name>-requirements.txt` lists, in the cache. */
async function pythonWith(name: string, announcement: string): Promise<string> {
  const path = join(import.meta.dirname, `${name}-requirements.txt`);
  const requirements = await readFile(path, 'utf8');
  const version = await commandOk(['python3', '--version']);
  const directory = await cached({
    name,
    ingredients: [requirements, version, process.arch],
    announcement,
    build: async (unfinished) => {
      await commandOk(['python3', '-m', 'venv', unfinished], { timeoutMs: 120_000 });
      // python -m pip: the scripts beside it name the directory they were made in, and it gets renamed.
      const python = join(unfinished, 'bin/python');
      await commandOk([python, '-m', 'pip', 'install', '--quiet', '--requirement', path], {
        timeoutMs: 10 * 60_000,
      });
    },
  });
  return join(directory, 'bin/python');
}
