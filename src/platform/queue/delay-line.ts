/**
 * Keys that wait for their time, on one timer.
 *
 * Invariants: a key waits once, and its earliest due time wins; keys due together come out in the order in which they went
 * in. Leaves out what happens to a key that is due.
 */
import TinyQueue from 'tinyqueue';
import type { Clock, Timer } from '../clock/clock.ts';

interface Waiting {
  readonly key: string;
  readonly dueMs: number;
  readonly order: number;
}

export class DelayLine {
  private readonly clock: Clock;
  private readonly onDue: (key: string) => void;
  private readonly dueByKey = new Map<string, Waiting>();
  private readonly heap = new TinyQueue<Waiting>([], (a, b) => a.dueMs - b.dueMs || a.order - b.order);
  private order = 0;
  private timer: { readonly dueMs: number; readonly timer: Timer } | undefined;

  constructor(clock: Clock, onDue: (key: string) => void) {
    this.clock = clock;
    this.onDue = onDue;
  }

  get size(): number {
    return this.dueByKey.size;
  }

  add(key: string, delayMs: number): void {
    const dueMs = this.clock.monotonicMs() + delayMs;
    const known = this.dueByKey.get(key);
    if (known !== undefined && known.dueMs <= dueMs) return;
    const waiting = { key, dueMs, order: (this.order += 1) };
    this.dueByKey.set(key, waiting);
    this.heap.push(waiting);
    this.arm();
  }

  delete(key: string): void {
    this.dueByKey.delete(key);
  }

  clear(): void {
    this.dueByKey.clear();
    while (this.heap.pop() !== undefined);
    this.timer?.timer.cancel();
    this.timer = undefined;
  }

  /** Entries of the heap that no longer count (deleted, or replaced by an earlier one) are skipped when they surface. */
  private peek(): Waiting | undefined {
    for (let next = this.heap.peek(); next !== undefined; next = this.heap.peek()) {
      if (this.dueByKey.get(next.key) === next) return next;
      this.heap.pop();
    }
    return undefined;
  }

  private arm(): void {
    const next = this.peek();
    if (next?.dueMs === this.timer?.dueMs) return;
    this.timer?.timer.cancel();
    this.timer = undefined;
    if (next === undefined) return;
    const delayMs = Math.max(0, next.dueMs - this.clock.monotonicMs());
    this.timer = {
      dueMs: next.dueMs,
      timer: this.clock.after(delayMs, () => {
        this.timer = undefined;
        this.release();
      }),
    };
  }

  private release(): void {
    const nowMs = this.clock.monotonicMs();
    for (let next = this.peek(); next !== undefined && next.dueMs <= nowMs; next = this.peek()) {
      this.heap.pop();
      this.dueByKey.delete(next.key);
      this.onDue(next.key);
    }
    this.arm();
  }
}
