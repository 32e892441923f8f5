/**
 * The parts of a guest's Job and Pod that the agent reads, as raw JSON, and what is dropped before an object is kept in
 * memory. Everything is optional: nothing here trusts that another version of Kubernetes fills a field.
 */
import type { GuestRun } from '../../api/v1alpha1/guest-run.ts';
import { LABELS } from '../../api/v1alpha1/labels.ts';
import type { Condition, KubeObject } from '../../platform/kube/object.ts';

export interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: {
    readonly exitCode?: number;
    readonly reason?: string;
    readonly startedAt?: string;
    readonly finishedAt?: string;
  };
}

export interface ContainerStatus {
  readonly name?: string;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

export type PodCondition = Partial<Pick<Condition, 'type' | 'status' | 'reason' | 'message' | 'lastTransitionTime'>>;

export interface GuestPod extends KubeObject {
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly PodCondition[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

export interface GuestJob extends KubeObject {
  readonly spec?: { readonly activeDeadlineSeconds?: number };
  readonly status?: {
    readonly startTime?: string;
    readonly completedIndexes?: string;
    readonly conditions?: readonly PodCondition[];
  };
}

/** A GuestRun as it comes: the order inside is checked when it is needed. */
export type GuestRunObject = KubeObject & Pick<GuestRun, 'spec' | 'status'>;

/** Key of the run that an object belongs to, by its labels; undefined for what carries none. */
export function runKeyOf(object: KubeObject): string | undefined {
  const labels = object.metadata.labels;
  const jobUid = labels?.[LABELS.jobUid];
  const fence = labels?.[LABELS.fence];
  return jobUid === undefined || fence === undefined ? undefined : `${jobUid}/${fence}`;
}

/** Index function of all three stores. */
export const BY_RUN = 'run';
export function byRun(object: KubeObject): readonly string[] {
  const key = runKeyOf(object);
  return key === undefined ? [] : [key];
}

/** The order inside serves to take a run over; of one that has ended the template is not needed for that. */
export function slimRecord(record: GuestRunObject): GuestRunObject {
  if (record.status?.phase !== 'Ended') return record;
  const { template: _template, ...order } = record.spec.order;
  return { ...record, spec: { ...record.spec, order } };
}

export function slimPod(pod: GuestPod): GuestPod {
  const { spec, status } = pod;
  return {
    metadata: pod.metadata,
    ...(spec?.nodeName === undefined ? {} : { spec: { nodeName: spec.nodeName } }),
    ...(status === undefined ? {} : { status }),
  };
}

export function slimJob(job: GuestJob): GuestJob {
  const { spec, status } = job;
  const deadline = spec?.activeDeadlineSeconds;
  return {
    metadata: job.metadata,
    ...(deadline === undefined ? {} : { spec: { activeDeadlineSeconds: deadline } }),
    ...(status === undefined ? {} : { status }),
  };
}
