/** Builders for the agent's tests: raw Kubernetes objects and orders, with only what a test says differing. */
import {
  fence,
  gpuModel,
  jobUid,
  memberName,
  nodeName,
  poolName,
  tenantName,
  type Jurisdiction,
} from '../../src/core/model/ids.ts';
import type { RunOrder } from '../../src/core/model/run.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';

export function aPolicy(spec: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}): KubeObject {
  return {
    apiVersion: 'lumbung.dev/v1alpha1',
    kind: 'LendingPolicy',
    metadata: { name: 'default', uid: 'policy-uid', ...metadata },
    spec,
  } as KubeObject;
}

export interface OrderShape {
  readonly uid?: string;
  readonly fence?: number;
  readonly tenant?: string;
  readonly workers?: number;
  readonly gpusPerWorker?: number;
  readonly model?: string;
  readonly nodes?: readonly (readonly [node: string, workers: number])[];
  readonly image?: string;
  readonly jurisdictions?: readonly string[];
  readonly podSpec?: Record<string, unknown>;
}

export function anOrder(shape: OrderShape = {}): RunOrder {
  const workers = shape.workers ?? 1;
  return {
    id: { jobUid: jobUid(shape.uid ?? 'job-1'), fence: fence(shape.fence ?? 1) },
    job: { namespace: 'team-a', name: 'train' },
    attempt: 1,
    pool: poolName('research'),
    tenant: tenantName(shape.tenant ?? 'team-a'),
    member: memberName('member-a'),
    workers,
    gpusPerWorker: shape.gpusPerWorker ?? 1,
    gpuModel: gpuModel(shape.model ?? 'H100-80GB'),
    nodes: (shape.nodes ?? [['node-1', workers]]).map(([node, count]) => ({ node: nodeName(node), workers: count })),
    lease: {
      durationMs: 60_000,
      terminationGraceMs: 5000,
      marginMs: 5000,
      maxClockDriftPercent: 1,
      replaceAfterMs: 72_000,
    },
    onPartition: 'KeepAndWait',
    maxRuntimeMs: 3_600_000,
    startTimeoutMs: 600_000,
    checkpointGraceMs: 30_000,
    templateHash: 'ab'.repeat(32),
    priority: 0,
    gpuResource: 'nvidia.com/gpu',
    gpuContainer: 'main',
    rendezvous: 'Torch',
    jurisdictions: (shape.jurisdictions ?? []) as Jurisdiction[],
    template: {
      spec: {
        containers: [{ name: 'main', image: shape.image ?? 'registry.example/team-a/tool:1' }],
        ...shape.podSpec,
      },
    },
    attachments: [],
  };
}
