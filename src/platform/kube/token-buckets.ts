/**
 * Token buckets by key, for limiting what one object may cost.
 *
 * Invariants: a key never seen has a full bucket; memory is bounded, since full buckets are forgotten.
 */
import type { Clock } from '../clock/clock.ts';

interface Bucket {
  tokens: number;
  atMs: number;
}

const mostBuckets = 4_096;

export class TokenBuckets {
  private readonly clock: Pick<Clock, 'monotonicMs'>;
  private readonly burst: number;
  private readonly refillMs: number;
  /** Least recently used first. */
  private readonly buckets = new Map<string, Bucket>();

  constructor(clock: Pick<Clock, 'monotonicMs'>, burst: number, refillMs: number) {
    this.clock = clock;
    this.burst = burst;
    this.refillMs = refillMs;
  }

  /** Takes one token of `key`; false if there is none. */
  take(key: string): boolean {
    const nowMs = this.clock.monotonicMs();
    const known = this.buckets.get(key);
    const tokens = known === undefined ? this.burst : this.refilled(known, nowMs);
    this.buckets.delete(key);
    this.buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: nowMs });
    this.forgetOldest();
    return tokens >= 1;
  }

  private refilled(bucket: Bucket, nowMs: number): number {
    return Math.min(this.burst, bucket.tokens + (nowMs - bucket.atMs) / this.refillMs);
  }

  /** The least recently used is the fullest, or nearly so. */
  private forgetOldest(): void {
    if (this.buckets.size <= mostBuckets) return;
    const [oldest] = this.buckets.keys();
    if (oldest !== undefined) this.buckets.delete(oldest);
  }
}
