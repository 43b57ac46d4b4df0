import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { synthesise } from './app.ts';
import { CONTEXT_KEYS, rpmPath } from './context.ts';
import { PropsError } from './validate.ts';

/**
 * `npm run synth [-- NAME=VALUE …]`: writes cdk.out/ without network, account or the cdk command, from the settings of
 * cdk.json and those given. Without a built package it says so and puts a placeholder in its place: the template is
 * complete, but not to be deployed.
 */

/** CDK_OUTDIR is the variable by which the cdk command says where; here it is optional. */
const OUTPUT = process.env.CDK_OUTDIR ?? join(import.meta.dirname, '..', 'cdk.out');
const EXIT_USAGE = 64;
/** Where settings are kept; CDK_SETTINGS names another file of the same form. */
const SETTINGS = process.env.CDK_SETTINGS ?? join(import.meta.dirname, '..', 'cdk.json');

const context = settingsOf(SETTINGS);
for (const argument of process.argv.slice(2)) {
  const at = argument.indexOf('=');
  if (at < 1) {
    console.error(`"${argument}" is not NAME=VALUE; the names are:\n${usage()}`);
    process.exit(EXIT_USAGE);
  }
  context[argument.slice(0, at)] = argument.slice(at + 1);
}

const started = performance.now();
try {
  if (context.rpm === undefined) context.rpm = builtPackage() ?? 'placeholder';
  if (context.rpm === 'placeholder') {
    console.warn(
      'WARNING: the template names a placeholder instead of the agent’s package. Do not deploy it.',
    );
    console.warn('         Build the package with: npm run rpm');
  }
  synthesise(context, { outdir: OUTPUT });
  const template = `${OUTPUT}/${context.stackName ?? 'S3FilesSftp'}.template.json`;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${template}: ${(statSync(template).size / 1024).toFixed(0)} KiB in ${seconds} s`);
} catch (error) {
  if (!(error instanceof PropsError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

/** The settings that the cdk command would read there. */
function settingsOf(path: string): Record<string, string> {
  const { context = {} }: { context?: Record<string, unknown> } = JSON.parse(readFileSync(path, 'utf8'));
  return Object.fromEntries(Object.entries(context).map(([name, value]) => [name, String(value)]));
}

function builtPackage(): string | undefined {
  try {
    return rpmPath(undefined);
  } catch (error) {
    if (error instanceof PropsError) return undefined;
    throw error;
  }
}

function usage(): string {
  return Object.entries(CONTEXT_KEYS)
    .map(([name, meaning]) => `  ${name.padEnd(16)} ${meaning}`)
    .join('\n');
}
