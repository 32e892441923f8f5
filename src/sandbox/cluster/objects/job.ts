/** The parts of batch/v1 Job that the sandbox's Job controller reads or writes. Shapes of raw JSON. */
import type { KubeObject, ObjectMeta } from '../../../platform/kube/object.ts';
import type { PodCondition, PodSpec } from './pod.ts';

export interface JobSpec {
  readonly parallelism?: number;
  /** Absent for a work queue: then any success ends the Job once all pods ended. */
  readonly completions?: number;
  readonly completionMode?: 'Indexed' | 'NonIndexed';
  readonly backoffLimit?: number;
  readonly backoffLimitPerIndex?: number;
  readonly maxFailedIndexes?: number;
  readonly activeDeadlineSeconds?: number;
  readonly ttlSecondsAfterFinished?: number;
  readonly suspend?: boolean;
  readonly podReplacementPolicy?: 'Failed' | 'TerminatingOrFailed';
  readonly podFailurePolicy?: unknown;
  readonly successPolicy?: unknown;
  readonly managedBy?: string;
  readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly template: { readonly metadata?: ObjectMeta; readonly spec: PodSpec };
}

export interface JobStatus {
  readonly conditions?: readonly PodCondition[];
  readonly startTime?: string;
  readonly completionTime?: string;
  readonly active?: number;
  readonly ready?: number;
  readonly terminating?: number;
  readonly succeeded?: number;
  readonly failed?: number;
  readonly completedIndexes?: string;
  readonly failedIndexes?: string;
  readonly uncountedTerminatedPods?: { readonly succeeded?: readonly string[]; readonly failed?: readonly string[] };
}

export interface Job extends KubeObject {
  readonly spec: JobSpec;
  readonly status?: JobStatus;
}

/** Complete or Failed is True: the controller does nothing more for it but clean up. */
export function isJobFinished(job: Job): boolean {
  return (job.status?.conditions ?? []).some(
    (condition) => (condition.type === 'Complete' || condition.type === 'Failed') && condition.status === 'True',
  );
}
