/** The watches that are open, so that stopping or restoring the server can end them. */
import type { WatchStream } from './watch-stream.ts';

export class OpenStreams {
  private readonly streams = new Set<WatchStream>();

  add(stream: WatchStream): void {
    if (!stream.open) return;
    this.streams.add(stream);
    stream.whenEnded(() => this.streams.delete(stream));
  }

  get size(): number {
    return this.streams.size;
  }

  endAll(): void {
    for (const stream of [...this.streams]) stream.end();
  }
}
