/** What every benchmark gives: one document, kept under bench/results/, printed as a table or as JSON. */
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { renderTable } from '../../src/cli/render/table.ts';

export interface BenchResult {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** `<= 4`, `>= 30`; absent = for information. */
  readonly goal?: string;
  readonly met?: boolean;
}

export interface BenchDocument {
  readonly benchmark: string;
  readonly commit: string;
  readonly machine: {
    readonly cpus: number;
    readonly model: string;
    readonly memoryGib: number;
    readonly node: string;
  };
  readonly results: readonly BenchResult[];
}

/** A result with a goal of the form `<= N` or `>= N`, judged. */
export function measured(name: string, value: number, unit: string, goal?: string): BenchResult {
  const rounded = Math.round(value * 1000) / 1000;
  if (goal === undefined) return { name, value: rounded, unit };
  const [relation = '', limit = ''] = goal.split(' ');
  const met = relation === '<=' ? value <= Number(limit) : value >= Number(limit);
  return { name, value: rounded, unit, goal, met };
}

export async function publish(
  benchmark: string,
  results: readonly BenchResult[],
  json: boolean,
): Promise<BenchDocument> {
  const document: BenchDocument = {
    benchmark,
    commit: spawnSync('git', ['rev-parse', '--short=12', 'HEAD'], { encoding: 'utf8' }).stdout.trim(),
    machine: {
      cpus: cpus().length,
      model: cpus()[0]?.model ?? 'unknown',
      memoryGib: Math.round(totalmem() / 2 ** 30),
      node: process.version,
    },
    results,
  };
  await mkdir('bench/results', { recursive: true });
  await writeFile(`bench/results/${benchmark}.json`, `${JSON.stringify(document, null, 2)}\n`);
  if (json) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  else {
    const rows = results.map(({ name, value, unit, goal, met }) => [
      name,
      value,
      unit,
      goal ?? '',
      met === undefined ? '' : met ? 'met' : 'MISSED',
    ]);
    process.stdout.write(`${renderTable(['RESULT', 'VALUE', 'UNIT', 'GOAL', ''], rows)}\n`);
  }
  return document;
}

/** The q-quantile (0..1) by nearest rank; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN;
}

/** Resident memory and CPU time of a process of this machine (Linux). */
export async function processUse(pid: number): Promise<{ readonly rssMb: number; readonly cpuSeconds: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const rssKb = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN);
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // utime and stime in ticks of 1/100 s, fields 14 and 15 of proc(5).
  const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / 100;
  return { rssMb: rssKb / 1024, cpuSeconds };
}
