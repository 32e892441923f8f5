/** Small pods, nodes and Jobs for the tests of the sandbox's cluster. */
import type { Job, JobSpec } from '../../../src/sandbox/cluster/objects/job.ts';
import { trackingFinalizer, completionIndexKey } from '../../../src/sandbox/cluster/jobs/pod-tally.ts';
import type { Node, Taint } from '../../../src/sandbox/cluster/objects/node.ts';
import type { Pod, PodSpec, PodStatus } from '../../../src/sandbox/cluster/objects/pod.ts';

export interface PodOptions {
  readonly name?: string;
  readonly uid?: string;
  readonly requests?: Readonly<Record<string, string>>;
  readonly spec?: Partial<PodSpec>;
  readonly status?: PodStatus;
  readonly metadata?: Partial<Pod['metadata']>;
}

export function aPod(options: PodOptions = {}): Pod {
  const name = options.name ?? 'p';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: options.uid ?? `uid-${name}`, ...options.metadata },
    spec: {
      containers: [{ name: 'main', image: 'i', command: ['true'], resources: { requests: options.requests ?? {} } }],
      restartPolicy: 'Never',
      ...options.spec,
    },
    ...(options.status === undefined ? {} : { status: options.status }),
  };
}

export interface NodeOptions {
  readonly name?: string;
  readonly cpu?: string;
  readonly gpus?: number;
  readonly pods?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  readonly unschedulable?: boolean;
}

export function aNode(options: NodeOptions = {}): Node {
  const resources = {
    cpu: options.cpu ?? '16',
    memory: '64Gi',
    pods: String(options.pods ?? 110),
    ...(options.gpus === undefined ? {} : { 'nvidia.com/gpu': String(options.gpus) }),
  };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: options.name ?? 'n1', labels: options.labels ?? {} },
    spec: {
      ...(options.taints === undefined ? {} : { taints: options.taints }),
      ...(options.unschedulable === undefined ? {} : { unschedulable: options.unschedulable }),
    },
    status: { capacity: resources, allocatable: resources },
  };
}

export function aJob(spec: Partial<JobSpec> = {}, rest: Partial<Job> = {}): Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'j', namespace: 'default', uid: 'job-uid' },
    spec: {
      parallelism: 1,
      completions: 1,
      completionMode: 'Indexed',
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      template: { spec: { containers: [{ name: 'main', image: 'i', command: ['true'] }], restartPolicy: 'Never' } },
      ...spec,
    },
    ...rest,
  };
}

/** A pod of `aJob` with completion index `index`, on a node. */
export function aJobPod(index: number, phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed', uid?: string): Pod {
  return aPod({
    name: `j-${index}-${uid ?? 'aaaaa'}`,
    uid: uid ?? `pod-${index}`,
    metadata: {
      finalizers: [trackingFinalizer],
      annotations: { [completionIndexKey]: String(index) },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'j', uid: 'job-uid', controller: true }],
    },
    spec: { nodeName: 'n1' },
    status: { phase, conditions: phase === 'Running' ? [{ type: 'Ready', status: 'True' }] : [] },
  });
}

export function deleted(pod: Pod): Pod {
  return { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
}
