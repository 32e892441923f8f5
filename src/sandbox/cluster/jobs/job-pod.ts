/**
 * The Pod that a Job makes from its template.
 *
 * Invariants: owned and controlled by the Job; labelled for its selector; indexed pods carry their index as annotation,
 * label, host name and JOB_COMPLETION_INDEX. The name's suffix is drawn by the caller, so that a retry can reuse it.
 */
import type { Job } from '../objects/job.ts';
import type { Container, Pod, PodSpec } from '../objects/pod.ts';
import { completionIndexKey, trackingFinalizer } from './pod-tally.ts';

export interface JobPodOptions {
  /** Undefined without indexes. */
  readonly index: number | undefined;
  /** Five characters of a-z0-9. */
  readonly suffix: string;
}

export function jobPod(job: Job, { index, suffix }: JobPodOptions): Pod {
  const { name: jobName = '', uid = '', namespace = '' } = job.metadata;
  const { metadata = {}, spec } = job.spec.template;
  const indexed = index === undefined ? {} : { [completionIndexKey]: String(index) };
  const base = index === undefined ? jobName : `${jobName}-${index}`;
  const annotations = { ...metadata.annotations, ...indexed };
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name: jobName, uid, controller: true, blockOwnerDeletion: true };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${base.slice(0, longestBase)}-${suffix}`,
      generateName: `${base.slice(0, longestBase)}-`,
      namespace,
      labels: { ...metadata.labels, ...jobLabels(jobName, uid), ...indexed },
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      finalizers: [...(metadata.finalizers ?? []), trackingFinalizer],
      ownerReferences: [owner],
    },
    spec: index === undefined ? spec : indexedSpec(spec, base),
  };
}

/** Leaves room for the hyphen and the suffix in a name of 63 characters. */
const longestBase = 57;

function indexedSpec(spec: PodSpec, base: string): PodSpec {
  const { hostname = '', initContainers } = spec;
  return {
    ...spec,
    hostname: hostname === '' ? base.slice(0, 63) : hostname,
    containers: spec.containers.map(withIndex),
    ...(initContainers === undefined ? {} : { initContainers: initContainers.map(withIndex) }),
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
