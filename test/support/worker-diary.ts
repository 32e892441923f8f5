/**
 * The oracle of runs, outside the product: workers append (job UID, fence, index, start, beat, exit) to a file on their
 * member's disk, and this file reads them. It believes nothing that hub or agent say.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface DiaryEvent {
  readonly job: string;
  readonly fence: number;
  readonly index: number;
  readonly member: string;
  readonly event: string;
  /** Wall clock of the one machine that all sandboxes share. */
  readonly atMs: number;
  readonly code?: number;
  readonly step?: number;
  readonly loss?: number;
  readonly digest?: string;
  readonly from?: number;
}

export interface ShellWorker {
  /** How many beats it lives. */
  readonly beats: number;
  /** Milliseconds between beats. */
  readonly beatMs: number;
  readonly exitCode?: number;
  /** Goes on when told to stop, until it is killed. */
  readonly ignoresTerm?: boolean;
}

/** A container command that keeps a diary and needs nothing but sh and date. */
export function shellWorkerCommand(worker: ShellWorker): readonly string[] {
  const code = worker.exitCode ?? 0;
  const lines = [
    'diary="$LUMBUNG_SANDBOX_DISK/workers.jsonl"',
    'note() { printf \'{"job":"%s","fence":%s,"index":%s,"member":"%s","event":"%s","atMs":%s%s}\\n\' "$LUMBUNG_JOB_UID" "$LUMBUNG_FENCE" "${RANK:-0}" "$LUMBUNG_MEMBER" "$1" "$(date +%s%3N)" "$2" >> "$diary"; }',
    worker.ignoresTerm === true
      ? "trap 'note term' TERM"
      : `trap 'note term; note exit ",\\"code\\":143"; exit 143' TERM`,
    'note start',
    `i=0; while [ $i -lt ${worker.beats} ]; do sleep ${(worker.beatMs / 1000).toFixed(3)} & wait $!; note beat; i=$((i+1)); done`,
    `note exit ',"code":${code}'`,
    `exit ${code}`,
  ];
  return ['sh', '-c', lines.join('\n')];
}

/** Every event of every member's disk, in order of time. A line cut short by a kill is left out. */
export async function readDiaries(roots: readonly string[]): Promise<readonly DiaryEvent[]> {
  const events: DiaryEvent[] = [];
  for (const root of roots) {
    for (const line of (await readIfThere(join(root, 'workers.jsonl'))).split('\n')) {
      const event = parseLine(line);
      if (event !== undefined) events.push(event);
    }
  }
  return events.sort((a, b) => a.atMs - b.atMs);
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function parseLine(line: string): DiaryEvent | undefined {
  if (!line.endsWith('}')) return undefined;
  try {
    return JSON.parse(line) as DiaryEvent;
  } catch {
    // Two writers' lines can interleave only when a line is longer than a pipe buffer; ours are short. A broken line is a cut one.
    return undefined;
  }
}

export interface FenceLife {
  readonly job: string;
  readonly fence: number;
  readonly members: readonly string[];
  readonly firstMs: number;
  readonly lastMs: number;
  /** Index of each worker that exited, with its code. */
  readonly exits: ReadonlyMap<number, number>;
}

/** When each fence of each job lived, from its first worker's first line to its last worker's last. */
export function fenceLives(events: readonly DiaryEvent[]): readonly FenceLife[] {
  const lives = new Map<string, { life: FenceLife; exits: Map<number, number>; members: Set<string> }>();
  for (const event of events) {
    const key = `${event.job}/${event.fence}`;
    const known = lives.get(key);
    const exits = known?.exits ?? new Map<number, number>();
    const members = (known?.members ?? new Set<string>()).add(event.member);
    if (event.event === 'exit' && event.code !== undefined) exits.set(event.index, event.code);
    const life = {
      job: event.job,
      fence: event.fence,
      members: [...members],
      firstMs: known?.life.firstMs ?? event.atMs,
      lastMs: event.atMs,
      exits,
    };
    lives.set(key, { life, exits, members });
  }
  return [...lives.values()]
    .map(({ life }) => life)
    .sort((a, b) => (a.job === b.job ? a.fence - b.fence : a.job < b.job ? -1 : 1));
}

/** Pairs of fences of one job that were alive at the same moment. Must be empty. */
export function overlappingFences(lives: readonly FenceLife[]): readonly string[] {
  const found: string[] = [];
  for (const [at, life] of lives.entries()) {
    for (const other of lives.slice(at + 1)) {
      if (other.job !== life.job || other.fence === life.fence) continue;
      const overlapMs = Math.min(life.lastMs, other.lastMs) - Math.max(life.firstMs, other.firstMs);
      if (overlapMs >= 0)
        found.push(`job ${life.job}: fences ${life.fence} and ${other.fence} lived together for ${overlapMs} ms`);
    }
  }
  return found;
}
