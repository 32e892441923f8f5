/**
 * The clock port. Hub and agent read time and set timers through it alone, so that a simulation can own time.
 *
 * Three readings exist because lease rules need them (design: the executing side expires first): wall time may jump,
 * monotonic time may stop while a machine sleeps, boot time counts sleep. Who compares what is decided in core/run.
 */
export interface ClockReading {
  /** Wall clock, milliseconds since the Unix epoch. May jump either way. */
  readonly wallMs: number;
  /** Monotonic milliseconds since an arbitrary start. Does not count suspend on Linux. */
  readonly monotonicMs: number;
  /** Milliseconds since boot, suspend included. Resolution may be 10 ms. */
  readonly bootMs: number;
}

export interface Timer {
  cancel(): void;
}

export interface Clock {
  read(): ClockReading;
  /** Wall clock in milliseconds; short for `read().wallMs`. */
  nowMs(): number;
  monotonicMs(): number;
  /** Calls `fn` once after `delayMs` unless cancelled. The timer keeps the process alive. */
  after(delayMs: number, fn: () => void): Timer;
  /** Calls `fn` every `periodMs` unless cancelled. */
  every(periodMs: number, fn: () => void): Timer;
  /** Resolves after `delayMs`; resolves early (never rejects) when `signal` aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}
