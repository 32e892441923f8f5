/**
 * What has arrived on a stream and was not read yet, as an async iterable for one reader.
 *
 * Invariants: order is kept; when more than the high mark waits, `onFull` holds the peer back until half of it is read; what
 * arrived before the end is still delivered after it. A reader that stops early lets everything that follows fall.
 */
const highMark = 16;

export interface IncomingFlow {
  /** Stop taking from the peer. */
  readonly onFull: () => void;
  /** Go on. */
  readonly onRoom: () => void;
}

export class IncomingQueue<T> implements AsyncIterable<T> {
  private readonly flow: IncomingFlow;
  private readonly items: T[] = [];
  private reader: ((result: IteratorResult<T, undefined>) => void) | undefined;
  private over = false;
  private discarding = false;
  private full = false;
  private taken = false;

  constructor(flow: IncomingFlow) {
    this.flow = flow;
  }

  push(item: T): void {
    if (this.over || this.discarding) return;
    const reader = this.reader;
    if (reader !== undefined) {
      this.reader = undefined;
      reader({ done: false, value: item });
      return;
    }
    this.items.push(item);
    if (this.items.length < highMark || this.full) return;
    this.full = true;
    this.flow.onFull();
  }

  finish(): void {
    this.over = true;
    this.reader?.({ done: true, value: undefined });
    this.reader = undefined;
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    if (this.taken) throw new Error('the messages of a stream can be iterated once');
    this.taken = true;
    return {
      next: () => this.next(),
      return: () => {
        this.discarding = true;
        this.items.length = 0;
        this.makeRoom();
        this.reader?.({ done: true, value: undefined });
        this.reader = undefined;
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  private next(): Promise<IteratorResult<T, undefined>> {
    if (this.items.length > 0) {
      const value = this.items.shift() as T;
      if (this.items.length <= highMark / 2) this.makeRoom();
      return Promise.resolve({ done: false, value });
    }
    if (this.over || this.discarding) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.reader = resolve;
    });
  }

  private makeRoom(): void {
    if (!this.full) return;
    this.full = false;
    this.flow.onRoom();
  }
}
