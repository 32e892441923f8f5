/**
 * Sorts the pods of a Job: running, leaving, succeeded, failed, and which ends are still to be counted.
 *
 * Invariants: an end is counted once: a pod that ended carries the tracking finalizer until its count is in the Job's
 * status, and `counted` bridges the moment between the two writes. With `podReplacementPolicy: Failed` a pod that is being
 * deleted has not failed until its node says so; a pod that never reached a node fails when it is deleted, which on a real
 * cluster the pod garbage collector says.
 */
import type { Job } from '../objects/job.ts';
import { conditionOf, isFinished, isTerminating, uidOf } from '../objects/pod.ts';
import type { Pod } from '../objects/pod.ts';

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
export const completionIndexKey = 'batch.kubernetes.io/job-completion-index';

export interface PodTally {
  /** Neither ended nor being deleted. */
  readonly active: readonly Pod[];
  /** Being deleted, processes possibly alive. */
  readonly terminating: readonly Pod[];
  readonly ready: number;
  readonly newlySucceeded: readonly Pod[];
  readonly newlyFailed: readonly Pod[];
  /** Ended and counted, finalizer still on. */
  readonly releasable: readonly Pod[];
}

export function tallyPods(job: Job, pods: Iterable<Pod>, counted: ReadonlySet<string>): PodTally {
  const tally = {
    active: [] as Pod[],
    terminating: [] as Pod[],
    newlySucceeded: [] as Pod[],
    newlyFailed: [] as Pod[],
    releasable: [] as Pod[],
  };
  for (const pod of pods) {
    const end = endOf(job, pod);
    if (isTerminating(pod) && !isFinished(pod) && !neverRan(pod)) tally.terminating.push(pod);
    if (end === undefined) {
      if (!isTerminating(pod)) tally.active.push(pod);
      continue;
    }
    if (!isTracked(pod)) continue;
    if (counted.has(uidOf(pod))) tally.releasable.push(pod);
    else if (end === 'Succeeded') tally.newlySucceeded.push(pod);
    else tally.newlyFailed.push(pod);
  }
  const ready = tally.active.filter((pod) => conditionOf(pod, 'Ready')?.status === 'True').length;
  return { ...tally, ready };
}

export function isTracked(pod: Pod): boolean {
  return pod.metadata.finalizers?.includes(trackingFinalizer) === true;
}

/** Undefined for pods without a valid index. */
export function completionIndexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[completionIndexKey] ?? '';
  return /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

function endOf(job: Job, pod: Pod): 'Succeeded' | 'Failed' | undefined {
  if (pod.status?.phase === 'Succeeded') return 'Succeeded';
  if (pod.status?.phase === 'Failed' || neverRan(pod)) return 'Failed';
  return isTerminating(pod) && replacesTerminating(job) ? 'Failed' : undefined;
}

function neverRan(pod: Pod): boolean {
  return isTerminating(pod) && (pod.spec.nodeName ?? '') === '';
}

export function replacesTerminating(job: Job): boolean {
  return job.spec.podReplacementPolicy !== 'Failed';
}
