/**
 * The log of one container attempt on disk, as a kubelet keeps it: one line per record with time and stream.
 *
 * Invariants: records are written whole and in order; at most two files of `rotateBytes` each are kept; a long line is cut
 * into parts marked `P`; nothing is created before there is output. Positions are logical: they count every byte ever
 * written, so that a reader can follow across a rotation. Leaves out rendering (log-reader.ts).
 */
import { appendFile, mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

const longestLine = 16 * 1024;
export const defaultRotateBytes = 10 * 1024 * 1024;

export interface ContainerLogOptions {
  readonly path: string;
  readonly nowMs: () => number;
  readonly rotateBytes?: number;
}

export class ContainerLog {
  readonly path: string;
  private readonly nowMs: () => number;
  private readonly rotateBytes: number;
  private readonly rest = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  private readonly listeners = new Set<() => void>();
  private tail: Promise<void> = Promise.resolve();
  private made = false;
  private writtenBytes = 0;
  private currentFromBytes = 0;
  private previousFromBytes = 0;
  private isClosed = false;

  constructor(options: ContainerLogOptions) {
    this.path = options.path;
    this.nowMs = options.nowMs;
    this.rotateBytes = options.rotateBytes ?? defaultRotateBytes;
  }

  /** Bytes that are on disk for readers: logical positions below it may be read. */
  get size(): number {
    return this.writtenBytes;
  }

  /** Logical position at which the current file, and the one before it, begin. */
  get starts(): { readonly current: number; readonly previous: number } {
    return { current: this.currentFromBytes, previous: this.previousFromBytes };
  }

  get closed(): boolean {
    return this.isClosed;
  }

  /** Resolves once the records are on disk: the caller reads no further output before that. */
  write(stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> {
    const bytes = Buffer.concat([this.rest[stream], chunk]);
    const records: Buffer[] = [];
    let from = 0;
    for (;;) {
      const newline = bytes.indexOf(0x0a, from);
      const to = newline < 0 ? bytes.length : newline;
      if (to - from > longestLine) {
        records.push(this.record(stream, 'P', bytes.subarray(from, from + longestLine)));
        from += longestLine;
        continue;
      }
      if (newline < 0) break;
      records.push(this.record(stream, 'F', bytes.subarray(from, newline)));
      from = newline + 1;
    }
    this.rest[stream] = bytes.subarray(from);
    return records.length === 0 ? this.tail : this.append(Buffer.concat(records));
  }

  /** Writes lines without an end and tells followers that nothing more comes. */
  async close(): Promise<void> {
    const records: Buffer[] = [];
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.rest[stream].length > 0) records.push(this.record(stream, 'F', this.rest[stream]));
      this.rest[stream] = Buffer.alloc(0);
    }
    try {
      await (records.length === 0 ? this.tail : this.append(Buffer.concat(records)));
    } finally {
      this.isClosed = true;
      this.tell();
    }
  }

  /** Calls `listener` after each write and at the end. Returns the unsubscribe. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  private record(stream: 'stdout' | 'stderr', tag: 'F' | 'P', text: Uint8Array): Buffer {
    const time = new Date(this.nowMs()).toISOString().replace('Z', '000000Z');
    return Buffer.concat([Buffer.from(`${time} ${stream} ${tag} `), text, Buffer.from('\n')]);
  }

  private append(bytes: Buffer): Promise<void> {
    const done = this.tail.then(() => this.put(bytes));
    // The writer hears of a failure through `done`; the chain itself goes on with the next record.
    this.tail = done.catch(() => undefined);
    return done;
  }

  private async put(bytes: Buffer): Promise<void> {
    if (!this.made) {
      await mkdir(dirname(this.path), { recursive: true });
      this.made = true;
    }
    const currentBytes = this.writtenBytes - this.currentFromBytes;
    if (currentBytes > 0 && currentBytes + bytes.length > this.rotateBytes) {
      await rename(this.path, `${this.path}.1`);
      this.previousFromBytes = this.currentFromBytes;
      this.currentFromBytes = this.writtenBytes;
    }
    await appendFile(this.path, bytes);
    this.writtenBytes += bytes.length;
    this.tell();
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}
