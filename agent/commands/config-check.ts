import { readFile } from 'node:fs/promises';
import { CONFIG_PATH, ConfigError, EXIT_CONFIG, parseConfig } from '../config.ts';
import { messageOf } from '../operation-error.ts';
import type { Output } from './output.ts';

/**
 * `s3files-sftp config check [FILE]`: says whether the agent would accept a configuration, and every fault in it.
 * @returns the exit status: 0, or 78 (EX_CONFIG)
 */
export async function configCheck(
  options: { path?: string; json: boolean },
  output: Output,
): Promise<number> {
  const path = options.path ?? CONFIG_PATH;
  try {
    const config = parseConfig(await readFile(path, 'utf8'), path);
    output.print(options.json ? JSON.stringify({ ok: true, config }, undefined, 2) : `${path} is valid`);
    return 0;
  } catch (cause) {
    const faults = cause instanceof ConfigError ? cause.faults : [{ key: '', fault: messageOf(cause) }];
    if (options.json) output.print(JSON.stringify({ ok: false, path, faults }, undefined, 2));
    else for (const { key, fault } of faults) output.error(`${path}: ${key} ${fault}`);
    return EXIT_CONFIG;
  }
}
