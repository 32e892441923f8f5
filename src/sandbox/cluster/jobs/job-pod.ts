/**
 * The Pod that a Job makes from its template.
 *
 * Invariants: owned and controlled by the Job; labelled for its selector; indexed pods carry their index as annotation,
 * label, host name and JOB_COMPLETION_INDEX. The name's suffix is drawn by the caller, so that a retry can reuse it.
 */
import type { Job } from '../objects/job.ts';
import type { Container, Pod } from '../objects/pod.ts';
import { completionIndexKey, trackingFinalizer } from './pod-tally.ts';

export interface JobPodOptions {
  /** Undefined without indexes. */
  readonly index: number | undefined;
  /** Five characters of a-z0-9. */
  readonly suffix: string;
}

export function jobPod(job: Job, { index, suffix }: JobPodOptions): Pod {
  const jobName = job.metadata.name ?? '';
  const uid = job.metadata.uid ?? '';
  const { metadata, spec } = job.spec.template;
  const indexed = index === undefined ? undefined : { [completionIndexKey]: String(index) };
  const base = index === undefined ? jobName : `${jobName}-${index}`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${base.slice(0, 57)}-${suffix}`,
      generateName: `${base.slice(0, 57)}-`,
      namespace: job.metadata.namespace ?? '',
      labels: { ...metadata?.labels, ...jobLabels(jobName, uid), ...indexed },
      ...(metadata?.annotations === undefined && indexed === undefined
        ? {}
        : { annotations: { ...metadata?.annotations, ...indexed } }),
      finalizers: [...(metadata?.finalizers ?? []), trackingFinalizer],
      ownerReferences: [
        { apiVersion: 'batch/v1', kind: 'Job', name: jobName, uid, controller: true, blockOwnerDeletion: true },
      ],
    },
    spec: {
      ...spec,
      ...(index !== undefined && (spec.hostname ?? '') === '' ? { hostname: base.slice(0, 63) } : {}),
      containers: index === undefined ? spec.containers : spec.containers.map(withIndex),
      ...(index === undefined || spec.initContainers === undefined
        ? {}
        : { initContainers: spec.initContainers.map(withIndex) }),
    },
  };
}

/** Labels that the Job's generated selector and people look for. */
export function jobLabels(jobName: string, uid: string): Record<string, string> {
  return {
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': jobName,
    'controller-uid': uid,
    'job-name': jobName,
  };
}

function withIndex(container: Container): Container {
  if (container.env?.some((variable) => variable.name === 'JOB_COMPLETION_INDEX') === true) return container;
  const fieldPath = `metadata.labels['${completionIndexKey}']`;
  return {
    ...container,
    env: [...(container.env ?? []), { name: 'JOB_COMPLETION_INDEX', valueFrom: { fieldRef: { fieldPath } } }],
  };
}
