/**
 * Builds the programs with one rule broken on purpose, for the test of the tests: a suite that does not find the broken
 * build out proves nothing.
 */
import { readFile } from 'node:fs/promises';
import { bundlePrograms } from '../../scripts/bundle.ts';

/** Releases every fence as soon as its member is silent, whatever its policy and lease say. Returns the folder. */
export async function buildWithoutFencing(): Promise<string> {
  const outdir = '.cache/dist-without-fencing';
  const rule = 'function boundRelease(run: HubRun, silenceMs: number): Release {';
  await bundlePrograms({
    outdir,
    plugins: [
      {
        name: 'without-fencing',
        setup: (build) => {
          build.onLoad({ filter: /core\/run\/release\.ts$/ }, async ({ path }) => {
            const source = await readFile(path, 'utf8');
            if (!source.includes(rule)) throw new Error(`${path} has no ${rule}: the mutation has to be written anew`);
            const broken = `${rule}\n  if (silenceMs >= 0) return { kind: 'released', by: 'BoundPassed' };`;
            return { contents: source.replace(rule, broken), loader: 'ts' };
          });
        },
      },
    ],
  });
  return outdir;
}
