/** The real kubectl and helm, where they can be had: `npm run tools` puts them under .cache/tools. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** Folder of the programs, or undefined where they are not at hand. In CI they must be. */
export function toolsDir(): string | undefined {
  const dir = resolve(process.env['LUMBUNG_TOOLS_DIR'] ?? '.cache/tools');
  if (existsSync(`${dir}/kubectl`) && existsSync(`${dir}/helm`)) return dir;
  if (process.env['CI'] === 'true') throw new Error(`no kubectl and helm in ${dir}: run npm run tools first`);
  return undefined;
}
