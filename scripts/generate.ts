/**
 * `npm run generate`: writes everything that is made from something else. With `--check` it writes nothing and exits 1 when
 * a file on disk is not what would be made now, naming each.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { apiFiles, protocolFiles, staleFiles } from './generate/generated-files.ts';

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

const files = new Map([...apiFiles(), ...protocolFiles(root)]);
const changed = [...files].filter(([path, text]) => onDisk(path) !== text);
const stale = staleFiles(root, files);

for (const [path, text] of changed) {
  console.log(`${check ? 'out of date' : 'wrote'}  ${path}`);
  if (check) continue;
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
for (const path of stale) {
  console.log(`${check ? 'stale' : 'removed'}  ${path}`);
  if (!check) rmSync(join(root, path));
}
if (check && changed.length + stale.length > 0) {
  console.log('run `npm run generate` and commit the result');
  process.exitCode = 1;
}
