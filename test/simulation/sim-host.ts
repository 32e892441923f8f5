/**
 * A process of the simulation as its surroundings see it: it has a clock of its own, can be stopped and continued
 * (SIGSTOP), and can be killed.
 *
 * Invariants: while paused nothing reaches the process, neither timer nor answer nor message; once dead nothing it does has
 * an effect on the world, though its code is let run out, so that nothing of it is left behind.
 */
import { HostClock } from '../../src/platform/clock/host-clock.ts';
import { sleepOn } from '../../src/platform/clock/sleep.ts';
import type { Clock } from '../../src/platform/clock/clock.ts';

/** Timers in whole milliseconds, never early, as a process has them; readings are then whole too. */
export function wholeMs(clock: Clock): Clock {
  const whole: Clock = {
    read: () => clock.read(),
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, fn) => clock.after(Math.ceil(delayMs), fn),
    every: (periodMs, fn) => clock.every(Math.ceil(periodMs), fn),
    sleep: (delayMs, signal) => sleepOn(whole, delayMs, signal),
  };
  return whole;
}

/** Something that may be shut for a while. Whoever waits is let through in the order of coming. */
export class Gate {
  private shut = false;
  private waiting: (() => void)[] = [];

  get open(): boolean {
    return !this.shut;
  }

  close(): void {
    this.shut = true;
  }

  reopen(): void {
    this.shut = false;
    const waiting = this.waiting;
    this.waiting = [];
    for (const pass of waiting) pass();
  }

  passed(): Promise<void> {
    if (!this.shut) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}

export class SimHost {
  readonly name: string;
  readonly clock: HostClock;
  private readonly gate = new Gate();
  private readonly onDeath = new Set<() => void>();
  private killed = false;

  constructor(name: string, base: Clock, wallSkewMs: number) {
    this.name = name;
    this.clock = new HostClock(wholeMs(base), { wallSkewMs });
  }

  get dead(): boolean {
    return this.killed;
  }

  get paused(): boolean {
    return !this.gate.open;
  }

  pause(): void {
    if (this.killed) return;
    this.gate.close();
    this.clock.pause();
  }

  resume(): void {
    this.gate.reopen();
    this.clock.resume();
  }

  /** Its connections break at once; its code is let run out against a world that answers nothing. */
  kill(): void {
    this.killed = true;
    this.resume();
    for (const tell of [...this.onDeath]) tell();
    this.onDeath.clear();
  }

  /** Resolves when the process can take something in. Look at `dead` afterwards. */
  running(): Promise<void> {
    return this.gate.passed();
  }

  /** Calls `tell` when the process dies. Returns the unsubscribe. */
  whenDead(tell: () => void): () => void {
    this.onDeath.add(tell);
    return () => this.onDeath.delete(tell);
  }
}
