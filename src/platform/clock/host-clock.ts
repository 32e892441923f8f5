/**
 * One simulated host's view of a shared timeline: its own wall offset, and a process that can be stopped and continued.
 *
 * Invariants: while paused no timer of this host runs; on resume the late ones run in the order in which they fell due.
 * Readings go on during a pause, as they do for a process stopped by SIGSTOP.
 */
import type { Clock, ClockReading, Timer } from './clock.ts';
import { sleepOn } from './sleep.ts';

export class HostClock implements Clock {
  private readonly base: Clock;
  private wallSkewMs: number;
  private paused = false;
  private late: (() => void)[] = [];

  constructor(base: Clock, options: { readonly wallSkewMs?: number } = {}) {
    this.base = base;
    this.wallSkewMs = options.wallSkewMs ?? 0;
  }

  read(): ClockReading {
    const reading = this.base.read();
    return { ...reading, wallMs: reading.wallMs + this.wallSkewMs };
  }

  nowMs(): number {
    return this.base.nowMs() + this.wallSkewMs;
  }

  monotonicMs(): number {
    return this.base.monotonicMs();
  }

  after(delayMs: number, fn: () => void): Timer {
    let cancelled = false;
    const guarded = (): void => {
      if (!cancelled) fn();
    };
    const timer = this.base.after(delayMs, () => {
      this.runOrHold(guarded);
    });
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  every(periodMs: number, fn: () => void): Timer {
    let cancelled = false;
    let held = false;
    const timer = this.base.every(periodMs, () => {
      // However long the pause, one late tick follows it: intervals do not pile up in a stopped process.
      if (this.paused && held) return;
      held = this.paused;
      this.runOrHold(() => {
        held = false;
        if (!cancelled) fn();
      });
    });
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

  setWallSkew(skewMs: number): void {
    this.wallSkewMs = skewMs;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    const late = this.late;
    this.late = [];
    for (const run of late) this.runOrHold(run);
  }

  private runOrHold(run: () => void): void {
    if (this.paused) this.late.push(run);
    else run();
  }
}
