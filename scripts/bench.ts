/**
 * `npm run bench -- NAME [--output json]`: runs one benchmark, keeps its document in bench/results/, and exits 1 when a goal
 * was missed.
 */
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { idleAgents } from './bench/idle-agents.ts';
import { publish, type BenchResult } from './bench/result.ts';
import { throughput } from './bench/throughput.ts';

const args = await yargs(hideBin(process.argv))
  .usage('npm run bench -- <throughput|idle-agents> [options]')
  .option('output', { alias: 'o', choices: ['table', 'json'] as const, default: 'table' as const })
  .option('jobs', { type: 'number', default: 1000, describe: 'throughput: how many jobs' })
  .option('agents', { type: 'number', default: 1000, describe: 'idle-agents: how many agents' })
  .option('profile', {
    type: 'boolean',
    default: false,
    describe: 'write CPU profiles of hub and agents to bench/profiles',
  })
  .demandCommand(1, 'name a benchmark: throughput or idle-agents')
  .strict()
  .parseAsync();

const started = performance.now();
const progress = (text: string): void => {
  process.stderr.write(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}\n`);
};
const benchmarks: Readonly<Record<string, () => Promise<readonly BenchResult[]>>> = {
  throughput: () => throughput({ jobs: args.jobs, progress, profile: args.profile }),
  'idle-agents': () => idleAgents({ agents: args.agents, progress }),
};
const name = String(args._[0]);
const benchmark = benchmarks[name];
if (benchmark === undefined) {
  process.stderr.write(`no benchmark ${JSON.stringify(name)}; there are: ${Object.keys(benchmarks).join(', ')}\n`);
  process.exitCode = 2;
} else {
  const { results } = await publish(name, await benchmark(), args.output === 'json');
  process.exitCode = results.every(({ met }) => met !== false) ? 0 : 1;
}
