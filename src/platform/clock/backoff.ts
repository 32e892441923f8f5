/**
 * How long to wait after the n-th failure in a row: doubling from a base to a cap, with jitter over the upper half, so that
 * many who failed together do not come back together.
 */
import type { Random } from './random.ts';

export interface BackoffRange {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** Milliseconds in [step/2, step], step = min(maxMs, baseMs x 2^(failures - 1)). `failures` counts from 1. */
export function backoffMs(range: BackoffRange, failures: number, random: Pick<Random, 'next'>): number {
  // Beyond 2^52 the doubling has long met any cap; the bound keeps Infinity out of the sum.
  const stepMs = Math.min(range.maxMs, range.baseMs * 2 ** Math.min(Math.max(failures, 1) - 1, 52));
  return stepMs / 2 + (random.next() * stepMs) / 2;
}
