/**
 * Sleeping on any clock. Decides how an abort ends a sleep: early, and never by rejecting, because a caller that was told
 * to stop looks at its signal anyway. Leaves no listener behind on a long-lived signal.
 */
import type { Clock } from './clock.ts';

/** Resolves after `delayMs` on `clock`, or as soon as `signal` aborts. */
export function sleepOn(clock: Pick<Clock, 'after'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.after(delayMs, finish);
    function finish(): void {
      timer.cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    }
    signal?.addEventListener('abort', finish, { once: true });
  });
}
