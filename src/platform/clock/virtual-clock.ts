/**
 * Time that only moves when told, for tests and simulation.
 *
 * Invariants: timers run in order of due time, then of creation; a timer never runs before its time; `now` inside a timer is
 * exactly its due time. `suspend` moves wall and boot time but not the monotonic one, as a sleeping Linux host does;
 * `jumpWall` moves the wall alone. Leaves out real input and output: who mixes sockets with virtual time uses
 * `advanceAsync`, which lets the event loop turn between timers.
 */
import { setImmediate } from 'node:timers';
import TinyQueue from 'tinyqueue';
import type { Clock, ClockReading, Timer } from './clock.ts';
import { sleepOn } from './sleep.ts';

interface Entry {
  readonly dueMs: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

export interface VirtualClockOptions {
  /** Wall clock at the start; default 2026-01-01T00:00:00Z. */
  readonly wallMs?: number;
  /** How many turns of the event loop `advanceAsync` takes after each step; default 1. */
  readonly turnsPerStep?: number;
}

export class VirtualClock implements Clock {
  private wallOffsetMs: number;
  private monotonicNowMs = 0;
  private bootOffsetMs = 0;
  private order = 0;
  private readonly turnsPerStep: number;
  private readonly entries = new TinyQueue<Entry>([], (a, b) => a.dueMs - b.dueMs || a.order - b.order);

  constructor(options: VirtualClockOptions = {}) {
    this.wallOffsetMs = options.wallMs ?? Date.UTC(2026, 0, 1);
    this.turnsPerStep = options.turnsPerStep ?? 1;
  }

  read(): ClockReading {
    return {
      wallMs: this.nowMs(),
      monotonicMs: this.monotonicNowMs,
      bootMs: this.monotonicNowMs + this.bootOffsetMs,
    };
  }

  nowMs(): number {
    return this.monotonicNowMs + this.wallOffsetMs;
  }

  monotonicMs(): number {
    return this.monotonicNowMs;
  }

  after(delayMs: number, fn: () => void): Timer {
    const entry: Entry = {
      dueMs: this.monotonicNowMs + Math.max(0, delayMs),
      order: (this.order += 1),
      run: fn,
      cancelled: false,
    };
    this.entries.push(entry);
    return {
      cancel: () => {
        entry.cancelled = true;
      },
    };
  }

  every(periodMs: number, fn: () => void): Timer {
    if (!(periodMs > 0)) throw new RangeError(`periodMs: ${periodMs} must be above 0`);
    let cancelled = false;
    let timer = this.after(periodMs, tick);
    const again = (): void => {
      timer = this.after(periodMs, tick);
    };
    function tick(): void {
      fn();
      if (!cancelled) again();
    }
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }

  /** Monotonic milliseconds of the next timer, if one is waiting. */
  nextDueMs(): number | undefined {
    for (;;) {
      const next = this.entries.peek();
      if (next?.cancelled !== true) return next?.dueMs;
      this.entries.pop();
    }
  }

  /** Runs every timer due within `ms`, in order and synchronously, then stands at now + `ms`. */
  advance(ms: number): void {
    const untilMs = this.monotonicNowMs + ms;
    while (this.runNext(untilMs));
    this.monotonicNowMs = Math.max(this.monotonicNowMs, untilMs);
  }

  /** As `advance`, letting promises (and the event loop) settle before, between and after timers. */
  async advanceAsync(ms: number): Promise<void> {
    const untilMs = this.monotonicNowMs + ms;
    await this.settle();
    while (this.runNext(untilMs)) await this.settle();
    this.monotonicNowMs = Math.max(this.monotonicNowMs, untilMs);
    await this.settle();
  }

  /**
   * Runs timer after timer until `done` holds, moving at most `limitMs`. Returns whether it came to hold. With no timer left
   * it stops early, since nothing can change any more.
   */
  async advanceUntil(done: () => boolean, limitMs: number): Promise<boolean> {
    const untilMs = this.monotonicNowMs + limitMs;
    await this.settle();
    while (!done()) {
      if (!this.runNext(untilMs)) return false;
      await this.settle();
    }
    return true;
  }

  /** The wall clock is set forward or back; nothing else moves. */
  jumpWall(deltaMs: number): void {
    this.wallOffsetMs += deltaMs;
  }

  /** The machine sleeps for `ms`: wall and boot time go on, monotonic time and timers stand still. */
  suspend(ms: number): void {
    this.wallOffsetMs += ms;
    this.bootOffsetMs += ms;
  }

  /** Lets everything that is ready run, without moving time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < this.turnsPerStep; turn += 1) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    }
  }

  private runNext(untilMs: number): boolean {
    const dueMs = this.nextDueMs();
    if (dueMs === undefined || dueMs > untilMs) return false;
    const entry = this.entries.pop();
    this.monotonicNowMs = Math.max(this.monotonicNowMs, dueMs);
    entry?.run();
    return true;
  }
}
