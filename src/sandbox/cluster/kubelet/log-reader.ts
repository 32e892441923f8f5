/**
 * Reads a container's log the way `kubectl logs` asks for it: tail, since, timestamps, limit, follow.
 *
 * Invariants: bytes of lines come out as they went in; parts of a long line are joined; following ends when the container's
 * attempt has ended and all is read, or when the reader goes away. A reader that falls two rotations behind loses the oldest
 * lines, as on a real node.
 */
import { open } from 'node:fs/promises';
import type { ContainerLog } from './container-log.ts';

export interface LogQuery {
  readonly follow?: boolean;
  readonly tailLines?: number;
  /** Wall milliseconds; older lines are left out. */
  readonly sinceMs?: number;
  readonly timestamps?: boolean;
  readonly limitBytes?: number;
}

interface LogLine {
  readonly time: string;
  readonly partial: boolean;
  readonly text: Buffer;
}

const chunkBytes = 64 * 1024;

/** The rendered log; `signal` ends it early, without an error. */
export async function* readLog(log: ContainerLog, query: LogQuery, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  let left = query.limitBytes ?? Infinity;
  for await (const line of selected(log, query, signal)) {
    const rendered = render(line, query.timestamps === true);
    const part = rendered.length > left ? rendered.subarray(0, left) : rendered;
    left -= part.length;
    yield part;
    if (left <= 0) return;
  }
}

async function* selected(log: ContainerLog, query: LogQuery, signal?: AbortSignal): AsyncGenerator<LogLine> {
  const since = query.sinceMs === undefined ? '' : new Date(query.sinceMs).toISOString().slice(0, -1);
  const position = { at: log.starts.previous };
  const present = linesUntil(log, position, log.size);
  yield* lastOf(newerThan(since, present), query.tailLines);
  if (query.follow === true) yield* following(log, position, signal);
}

async function* newerThan(since: string, lines: AsyncIterable<LogLine>): AsyncGenerator<LogLine> {
  for await (const line of lines) if (line.time >= since) yield line;
}

/** The last `count` lines, or all of them. */
async function* lastOf(lines: AsyncIterable<LogLine>, count: number | undefined): AsyncGenerator<LogLine> {
  if (count === undefined) {
    yield* lines;
    return;
  }
  let old: LogLine[] = [];
  let recent: LogLine[] = [];
  for await (const line of lines) {
    // Two halves of at most `count` each: dropping from the front of one long array would cost its length each time.
    recent.push(line);
    if (recent.length >= Math.max(1, count)) [old, recent] = [recent, []];
  }
  if (count > 0) yield* [...old, ...recent].slice(-count);
}

async function* following(
  log: ContainerLog,
  position: { at: number },
  signal: AbortSignal | undefined,
): AsyncGenerator<LogLine> {
  while (signal?.aborted !== true) {
    const more = log.size;
    if (position.at < more) yield* linesUntil(log, position, more);
    else if (log.closed) return;
    else await changed(log, signal);
  }
}

function changed(log: ContainerLog, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      unsubscribe();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const unsubscribe = log.onChange(done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Lines from `position` to the logical end `until`; moves `position` on. */
async function* linesUntil(log: ContainerLog, position: { at: number }, until: number): AsyncGenerator<LogLine> {
  let rest: Buffer = Buffer.alloc(0);
  while (position.at < until) {
    const chunk = await readAt(log, position, until);
    if (chunk.length === 0) return;
    position.at += chunk.length;
    const bytes = Buffer.concat([rest, chunk]);
    let from = 0;
    for (let newline = bytes.indexOf(0x0a); newline >= 0; newline = bytes.indexOf(0x0a, from)) {
      yield parse(bytes.subarray(from, newline));
      from = newline + 1;
    }
    rest = bytes.subarray(from);
  }
}

async function readAt(log: ContainerLog, position: { at: number }, until: number): Promise<Buffer> {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const { current, previous } = log.starts;
    if (position.at < previous) position.at = previous;
    const inCurrent = position.at >= current;
    const path = inCurrent ? log.path : `${log.path}.1`;
    const start = position.at - (inCurrent ? current : previous);
    const end = inCurrent ? until : Math.min(until, current);
    const bytes = await readSlice(path, start, Math.min(chunkBytes, end - position.at));
    // A rotation while we read would have shown us another file's bytes.
    if (log.starts.current === current) return bytes;
  }
  return Buffer.alloc(0);
}

async function readSlice(path: string, start: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  try {
    const file = await open(path, 'r');
    try {
      const { bytesRead } = await file.read(buffer, 0, length, start);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    // The pod was removed with its logs while somebody read them: that is the end of the log.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

function parse(record: Buffer): LogLine {
  const first = record.indexOf(0x20);
  const second = record.indexOf(0x20, first + 1);
  return {
    time: record.toString('latin1', 0, first),
    partial: record[second + 1] === 0x50,
    text: record.subarray(second + 3),
  };
}

function render(line: LogLine, timestamps: boolean): Buffer {
  const parts = timestamps ? [Buffer.from(`${line.time} `), line.text] : [line.text];
  return Buffer.concat(line.partial ? parts : [...parts, Buffer.from('\n')]);
}
