/**
 * `npm run generate`: writes everything that is made from something else. With `--check` it writes nothing and exits 1 when
 * a file on disk is not what would be made now, naming each.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CHART_CRD_FOLDERS, chartFiles, renderedManifests } from './generate/chart-files.ts';
import { apiFiles, GENERATED_FOLDERS, protocolFiles, staleFiles } from './generate/generated-files.ts';

const root = resolve(import.meta.dirname, '..');
const check = process.argv.includes('--check');

function onDisk(path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes what is not on disk as it should be; names it. Returns how many files that were. */
function bring(files: ReadonlyMap<string, string>): number {
  const changed = [...files].filter(([path, text]) => onDisk(path) !== text);
  for (const [path, text] of changed) {
    console.log(`${check ? 'out of date' : 'wrote'}  ${path}`);
    if (check) continue;
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return changed.length;
}

const files = new Map([...apiFiles(), ...protocolFiles(root), ...chartFiles(root)]);
const stale = staleFiles(root, files, [...GENERATED_FOLDERS, ...CHART_CRD_FOLDERS]);
let outdated = bring(files) + stale.length;

for (const path of stale) {
  console.log(`${check ? 'stale' : 'removed'}  ${path}`);
  if (!check) rmSync(join(root, path));
}
// The charts read what was just written.
const helm = join(process.env['LUMBUNG_TOOLS_DIR'] ?? join(root, '.cache', 'tools'), 'helm');
if (existsSync(helm)) outdated += bring(renderedManifests(root, helm));
else console.log(`left alone  manifests/install-*.yaml (no helm in ${dirname(helm)}; npm run tools fetches it)`);

if (check && outdated > 0) {
  console.log('run `npm run generate` and commit the result');
  process.exitCode = 1;
}
