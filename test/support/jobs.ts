/** ComputeJobs for tests that run real processes: shell workers that keep a diary. */
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { shellWorkerCommand, type ShellWorker } from './worker-diary.ts';

export interface DiaryJob {
  readonly namespace: string;
  readonly name: string;
  readonly pool: string;
  readonly worker: ShellWorker;
  /** More of the spec, e.g. workers, onPartition. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

export function diaryJob(job: DiaryJob): KubeObject {
  const container = {
    name: 'main',
    image: 'busybox:1',
    command: shellWorkerCommand(job.worker),
    resources: { limits: { cpu: '100m', memory: '64Mi' } },
  };
  return {
    apiVersion: 'lumbung.dev/v1alpha1',
    kind: 'ComputeJob',
    metadata: { namespace: job.namespace, name: job.name },
    spec: { pool: job.pool, maxRuntime: '10m', ...job.spec, template: { spec: { containers: [container] } } },
  } as KubeObject;
}

/** A pool over the harness's members with one tenant per namespace and leases in seconds. */
export function secondsPool(name: string, namespaces: readonly string[]): readonly KubeObject[] {
  return [
    ...namespaces.map((namespace) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })),
    {
      apiVersion: 'lumbung.dev/v1alpha1',
      kind: 'GpuPool',
      metadata: { name },
      spec: {
        memberSelector: { matchLabels: { 'lumbung.dev/tier': 'shared' } },
        tenants: namespaces.map((namespace) => ({ name: namespace, namespaces: [namespace], weight: 1 })),
        lease: { duration: '4s', terminationGrace: '1s', margin: '1s', maxClockDriftPercent: 1, replaceAfter: '7s' },
      },
    } as KubeObject,
  ];
}

/** Settings that make a hub notice within seconds. */
export const secondsHub = {
  'report-interval': '1s',
  'silent-after': '2s',
  'mass-silence-window': '2s',
  'leader-lease-duration': '2s',
  'leader-renew-deadline': '1500ms',
  'leader-retry-period': '300ms',
} as const;
/** And an agent that takes over from a killed one within seconds. */
export const secondsAgent = {
  'lease-duration': '2s',
  'lease-renew-deadline': '1500ms',
  'lease-retry-period': '300ms',
} as const;
export const reportIntervalMs = 1_000;
