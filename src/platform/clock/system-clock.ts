/**
 * The clock of a real process. Decides how the three readings are taken from the operating system.
 *
 * Invariants: `bootMs` counts suspend (os.uptime reads CLOCK_BOOTTIME), `monotonicMs` never goes back, a timer never fires
 * early because its delay overflowed the 32 bits of setTimeout. Leaves out who may compare which reading (core/run).
 */
import { uptime } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { Clock, Timer } from './clock.ts';
import { sleepOn } from './sleep.ts';

/** setTimeout fires at once above this delay, so that longer ones are walked in steps. */
const longestTimeoutMs = 2_147_483_647;

/** Wall, monotonic and boot time of this machine, with real timers. */
export function systemClock(): Clock {
  const clock: Clock = {
    read: () => ({ wallMs: Date.now(), monotonicMs: performance.now(), bootMs: uptime() * 1000 }),
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    after: (delayMs, fn) => startTimeout(delayMs, fn),
    every: (periodMs, fn) => startInterval(periodMs, fn),
    sleep: (delayMs, signal) => sleepOn(clock, delayMs, signal),
  };
  return clock;
}

function startTimeout(delayMs: number, fn: () => void): Timer {
  const wantMs = Number.isFinite(delayMs) ? Math.max(0, delayMs) : delayMs > 0 ? Infinity : 0;
  const dueMs = performance.now() + wantMs;
  const stepMs = (): number => Math.min(longestTimeoutMs, Math.max(0, dueMs - performance.now()));
  let handle = setTimeout(step, stepMs());
  function step(): void {
    // Node may fire up to a millisecond early; only a delay that was cut into steps needs another round.
    if (dueMs - performance.now() > 1) handle = setTimeout(step, stepMs());
    else fn();
  }
  return {
    cancel: () => {
      clearTimeout(handle);
    },
  };
}

function startInterval(periodMs: number, fn: () => void): Timer {
  if (!(periodMs >= 1 && periodMs <= longestTimeoutMs)) {
    throw new RangeError(`periodMs: ${periodMs} is outside 1 to ${longestTimeoutMs}`);
  }
  const handle = setInterval(fn, periodMs);
  return {
    cancel: () => {
      clearInterval(handle);
    },
  };
}
