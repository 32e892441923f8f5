/** A token bucket per key with bounded memory: the keys unused for longest are forgotten first. */
import type { Clock } from '../../platform/clock/clock.ts';

const maxKeys = 4_096;

export interface AttemptLimit {
  /** False: too many attempts under this key. */
  take(key: string): boolean;
}

export function createAttemptLimit(options: {
  readonly clock: Clock;
  readonly burst: number;
  readonly refillMs: number;
}): AttemptLimit {
  const buckets = new Map<string, { readonly tokens: number; readonly atMs: number }>();
  return {
    take: (key) => {
      const nowMs = options.clock.monotonicMs();
      const old = buckets.get(key) ?? { tokens: options.burst, atMs: nowMs };
      const tokens = Math.min(options.burst, old.tokens + (nowMs - old.atMs) / options.refillMs);
      // Deleting first moves the key to the young end of the map's order.
      buckets.delete(key);
      buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: nowMs });
      if (buckets.size > maxKeys) {
        for (const oldest of buckets.keys()) {
          buckets.delete(oldest);
          break;
        }
      }
      return tokens >= 1;
    },
  };
}
