/**
 * The number of the next fence. Decides how a hub that may have been restored from a backup avoids numbers that it may have
 * given out after the backup was taken.
 *
 * Invariant: fences of one job only rise, and a number is never given out twice.
 */
import type { Fence } from '../model/ids.ts';
import { fence } from '../model/ids.ts';
import type { HighestFence } from '../model/run.ts';

/** More attempts than any job makes between two backups. Fences are for machines: a gap costs nothing. */
export const RECOVERY_FENCE_LEAP = 1_000;

/**
 * One above the highest fence. With `mayHaveLostFences` (a job older than this leader, whose store is not proven continuous)
 * it leaps, so that a lost fence that turns up later is an older one and is superseded, never mistaken for the new one.
 */
export function nextFence(highest: HighestFence, mayHaveLostFences: boolean): Fence {
  return fence((highest ?? 0) + (mayHaveLostFences ? RECOVERY_FENCE_LEAP : 1));
}
