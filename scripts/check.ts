/**
 * `npm run check`: everything that can be said of the tree without running it. Steps run one after the other, cheapest
 * first; all run even when one fails, so that one call shows every problem.
 */
import { spawnSync } from 'node:child_process';

interface Step {
  readonly name: string;
  readonly command: readonly string[];
}

const steps: readonly Step[] = [
  { name: 'format', command: ['prettier', '--check', '--log-level', 'warn', '.'] },
  { name: 'generated files', command: ['tsx', 'scripts/generate.ts', '--check'] },
  { name: 'proto lint', command: ['buf', 'lint'] },
  { name: 'types', command: ['tsc', '-p', 'tsconfig.json'] },
  { name: 'types of core', command: ['tsc', '-p', 'src/core/tsconfig.json'] },
  { name: 'walls', command: ['depcruise', '--config', '.dependency-cruiser.mjs', 'src', '--output-type', 'err'] },
  { name: 'unused code', command: ['knip'] },
  // Without a cache: typed rules depend on other files than the one that the cache looks at.
  { name: 'lint', command: ['eslint', 'src', 'test', 'scripts'] },
];

const only = process.argv.slice(2);
let failed = 0;
for (const step of steps) {
  if (only.length > 0 && !only.includes(step.name)) continue;
  const started = performance.now();
  const [program = '', ...args] = step.command;
  const run = spawnSync('npx', ['--no-install', program, ...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const passed = run.status === 0;
  console.log(`${passed ? 'ok  ' : 'FAIL'}  ${step.name.padEnd(16)} ${seconds.padStart(6)} s`);
  if (!passed) {
    failed += 1;
    console.log(
      `${run.stdout}${run.stderr}`
        .trimEnd()
        .split('\n')
        .map((line) => `      ${line}`)
        .join('\n'),
    );
  }
}
process.exitCode = failed === 0 ? 0 : 1;
