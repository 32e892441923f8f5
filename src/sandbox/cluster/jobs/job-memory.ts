/**
 * What the Job controller remembers of a Job between two looks: which ends are counted already, and how failures came, for
 * the delay before the next pod.
 *
 * Invariants: values are never changed in place; the delay doubles from 10 s to 10 min with each failure since the last
 * success. Lost on a restart, at worst a delay starts anew: counts are protected by the finalizer.
 */
import type { Job } from '../objects/job.ts';
import { uidOf } from '../objects/pod.ts';
import type { Pod } from '../objects/pod.ts';
import { completionIndexOf } from './pod-tally.ts';
import type { PodTally } from './pod-tally.ts';

export interface JobMemory {
  /** UIDs of pods whose end is in the status that was written, or is being written. */
  readonly counted: ReadonlySet<string>;
  readonly failuresByIndex: ReadonlyMap<number, number>;
  readonly failuresInARow: number;
  /** Wall milliseconds; undefined before the first failure. */
  readonly lastFailureMs: number | undefined;
}

export const noMemory: JobMemory = {
  counted: new Set(),
  failuresByIndex: new Map(),
  failuresInARow: 0,
  lastFailureMs: undefined,
};

const firstDelayMs = 10_000;
const longestDelayMs = 600_000;

export function recordFailures(memory: JobMemory, tally: PodTally, job: Job): JobMemory {
  const { newlyFailed, newlySucceeded } = tally;
  if (newlyFailed.length + newlySucceeded.length === 0) return memory;
  const counted = new Set(memory.counted);
  for (const pod of [...newlyFailed, ...newlySucceeded]) counted.add(uidOf(pod));
  const failuresByIndex = new Map(memory.failuresByIndex);
  if (job.spec.backoffLimitPerIndex !== undefined) {
    for (const index of newlyFailed.map(completionIndexOf)) {
      if (index !== undefined) failuresByIndex.set(index, (failuresByIndex.get(index) ?? 0) + 1);
    }
  }
  const lastFailureMs = newlyFailed.length === 0 ? memory.lastFailureMs : Math.max(...newlyFailed.map(endedMs));
  const failuresInARow = newlySucceeded.length > 0 ? newlyFailed.length : memory.failuresInARow + newlyFailed.length;
  return { counted, failuresByIndex, failuresInARow, lastFailureMs };
}

/** Milliseconds to wait before the next pod is made; 0 = none. */
export function nextBackoffMs(memory: JobMemory, nowMs: number): number {
  if (memory.failuresInARow === 0 || memory.lastFailureMs === undefined) return 0;
  const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (memory.failuresInARow - 1));
  return Math.max(0, memory.lastFailureMs + delayMs - nowMs);
}

function endedMs(pod: Pod): number {
  const times = (pod.status?.containerStatuses ?? []).map((status) => status.state.terminated?.finishedAt);
  const latest = Math.max(0, ...times.map((time) => Date.parse(time ?? '') || 0));
  return latest > 0 ? latest : Date.parse(pod.metadata.deletionTimestamp ?? pod.metadata.creationTimestamp ?? '') || 0;
}
