import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '..', '..');

/**
 * Bundles the agent into ES modules that run on plain Node 24, without node_modules or a native addon.
 * Split, so that the S3 client is loaded only when the first upload needs it (12 MB less resident memory).
 * @param outdir where the modules go
 * @returns the licence texts of every package in the bundle
 */
export async function bundleAgent(outdir: string): Promise<string> {
  const { metafile } = await build({
    entryPoints: [join(ROOT, 'agent', 'main.ts')],
    absWorkingDir: ROOT,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    outdir,
    // The AWS SDK's ES modules shake to two thirds of its CommonJS build.
    mainFields: ['module', 'main'],
    minifySyntax: true,
    legalComments: 'none',
    // CommonJS packages in the bundle call require() for Node's own modules.
    banner: {
      js: "import { createRequire as bundleRequire } from 'node:module'; const require = bundleRequire(import.meta.url);",
    },
    define: { __dirname: 'import.meta.dirname', __filename: 'import.meta.filename' },
    // Optional native parts of ssh2, for which it has fallbacks in JavaScript.
    external: ['cpu-features', '*.node'],
    metafile: true,
    logLevel: 'warning',
  });
  return await notices(Object.keys(metafile.inputs));
}

/** The name, version, licence and licence text of each package that the bundle's inputs come from. */
async function notices(inputs: readonly string[]): Promise<string> {
  const packages = new Set<string>();
  for (const input of inputs) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match?.[1] !== undefined) packages.add(match[1]);
  }
  const texts = await Promise.all([...packages].sort().map(noticeOf));
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

async function noticeOf(directory: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(ROOT, directory, 'package.json'), 'utf8'));
  const head = `${manifest.name} ${manifest.version} (${manifest.license ?? manifest.licenses?.[0]?.type ?? 'see its sources'})\n`;
  for (const name of ['LICENSE', 'LICENSE.md', 'LICENSE.txt', 'license']) {
    const text = await readFile(join(ROOT, directory, name), 'utf8').catch(() => undefined);
    if (text !== undefined) return `${head}\n${text}`;
  }
  return head;
}
