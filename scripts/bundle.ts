/** How the three programs are bundled: one place for the build and for tests that build a broken one on purpose. */
import { spawnSync } from 'node:child_process';
import { chmod, readFile } from 'node:fs/promises';
import { build, type BuildResult, type Plugin } from 'esbuild';

export interface BundleOptions {
  readonly outdir: string;
  readonly plugins?: Plugin[];
}

export async function bundlePrograms(options: BundleOptions): Promise<BuildResult<{ metafile: true }>> {
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { readonly version: string };
  const commit = process.env['LUMBUNG_COMMIT'] ?? headCommit() ?? 'unknown';
  const result = await build({
    entryPoints: { hub: 'src/bin/hub.ts', agent: 'src/bin/agent.ts', cli: 'src/bin/cli.ts' },
    outdir: options.outdir,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: 'linked',
    metafile: true,
    legalComments: 'linked',
    logLevel: 'warning',
    plugins: options.plugins ?? [],
    define: { __LUMBUNG_VERSION__: JSON.stringify(version), __LUMBUNG_COMMIT__: JSON.stringify(commit) },
    // Some CommonJS dependencies call require() at run time, which an ES module does not have.
    banner: {
      js: "import { createRequire as __lumbungRequire } from 'node:module'; const require = __lumbungRequire(import.meta.url);",
    },
  });
  await chmod(`${options.outdir}/cli.js`, 0o755);
  return result;
}

/** Undefined outside a checkout, or where there is no git, as in the stage that builds the image. */
function headCommit(): string | undefined {
  const { status, stdout } = spawnSync('git', ['rev-parse', '--short=12', 'HEAD'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}
