/**
 * Turns many wishes for a cycle into few cycles: one starts once nothing was wished for `idleMs`, at the latest `maxMs` after
 * the first wish. Wishes during a cycle make one more after it. Leaves out what a cycle does.
 */
import type { Clock, Timer } from '../../platform/clock/clock.ts';

export interface BatchTriggerOptions {
  readonly clock: Clock;
  readonly idleMs: number;
  readonly maxMs: number;
  /** Must not throw. */
  readonly fire: () => void;
}

export class BatchTrigger {
  private readonly options: BatchTriggerOptions;
  private timer: Timer | undefined;
  private dueMs = 0;
  private latestMs: number | undefined;

  constructor(options: BatchTriggerOptions) {
    this.options = options;
  }

  /** Something may be decided differently now. */
  poke(): void {
    const { clock, idleMs, maxMs } = this.options;
    const nowMs = clock.monotonicMs();
    this.latestMs ??= nowMs + maxMs;
    this.dueMs = Math.min(this.latestMs, nowMs + idleMs);
    // One timer walks along with the due time: a flood of wishes makes no flood of timers.
    if (this.timer === undefined) this.arm();
  }

  /** Drops what was wished for. */
  cancel(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.latestMs = undefined;
  }

  private arm(): void {
    const { clock, fire } = this.options;
    this.timer = clock.after(Math.max(0, this.dueMs - clock.monotonicMs()), () => {
      this.timer = undefined;
      if (clock.monotonicMs() < this.dueMs) {
        this.arm();
        return;
      }
      this.latestMs = undefined;
      fire();
    });
  }
}
