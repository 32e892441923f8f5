/**
 * `npm run test:simulation -- --seeds N [--seed S] [--trace]`: lives through N histories, from seed S on (default: drawn
 * afresh, so that each run sees new ones), and exits 1 if a promise was broken. A failing history prints its seed and trace.
 */
import { randomInt } from 'node:crypto';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { runHistory } from '../test/simulation/simulation.ts';

const args = await yargs(hideBin(process.argv))
  .usage('npm run test:simulation -- [--seeds N] [--seed S] [--trace]')
  .option('seeds', { type: 'number', describe: 'how many histories; default 20, or 1 with --seed' })
  .option('seed', { type: 'number', describe: 'the first seed; the others follow it' })
  .option('trace', {
    type: 'boolean',
    default: false,
    describe: 'print what happened, the programs own words included',
  })
  .strict()
  .parseAsync();

const first = args.seed ?? randomInt(1, 1_000_000_000);
const seeds = args.seeds ?? (args.seed === undefined ? 20 : 1);
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(seeds) || seeds < 1) {
  process.stderr.write('--seed and --seeds must be whole numbers, --seeds at least 1\n');
  process.exit(2);
}
const started = performance.now();
let failed = 0;
let worstCalmMs = 0;
let starts = 0;
let virtualMs = 0;
for (let seed = first; seed < first + seeds; seed += 1) {
  const history = await runHistory({ seed, logs: args.trace });
  worstCalmMs = Math.max(worstCalmMs, history.calmMs);
  starts += history.starts;
  virtualMs += history.virtualMs;
  const bad = history.broken.length > 0;
  if (bad) failed += 1;
  if (bad || args.trace) process.stdout.write(`${history.trace.join('\n')}\n`);
  if (bad) process.stdout.write(`seed ${seed} FAILED:\n  ${history.broken.join('\n  ')}\n`);
  else process.stderr.write(`seed ${seed} ok, at rest ${(history.calmMs / 1000).toFixed(1)} s after healing\n`);
}
const seconds = (performance.now() - started) / 1000;
process.stdout.write(
  `${seeds} histories from seed ${first}, ${failed} failed; ${(virtualMs / 3_600_000).toFixed(1)} virtual hours in ` +
    `${seconds.toFixed(0)} s, ${starts} guest starts, at rest at most ${(worstCalmMs / 1000).toFixed(1)} s after healing\n`,
);
process.exitCode = failed === 0 ? 0 : 1;
