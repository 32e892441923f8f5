/**
 * One watch: changes become lines as they happen, until the client leaves, the time is up or the server stops.
 * A client that does not read is cut off rather than remembered for ever; it resumes from its last revision.
 */
const MAX_WAITING = 20_000;

export class WatchStream implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  private readonly waiting: Uint8Array[] = [];
  private readonly onEnd: (() => void)[] = [];
  private wake: (() => void) | undefined;
  private ended = false;

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this;
  }

  get open(): boolean {
    return !this.ended;
  }

  push(line: Uint8Array): void {
    if (this.ended) return;
    this.waiting.push(line);
    if (this.waiting.length > MAX_WAITING) this.end();
    this.wake?.();
  }

  /** Runs when the stream ends for whatever reason; at once if it has. */
  whenEnded(fn: () => void): void {
    if (this.ended) fn();
    else this.onEnd.push(fn);
  }

  /** What was pushed before is still delivered. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    for (const fn of this.onEnd) fn();
    this.wake?.();
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    while (this.waiting.length === 0 && !this.ended) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = undefined;
    }
    if (this.waiting.length > 1) {
      const all = Buffer.concat(this.waiting);
      this.waiting.length = 0;
      return { done: false, value: all };
    }
    const line = this.waiting.shift();
    return line === undefined ? { done: true, value: undefined } : { done: false, value: line };
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.waiting.length = 0;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }
}
