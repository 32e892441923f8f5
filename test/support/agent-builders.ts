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

export interface PodShape {
  readonly uid?: string;
  readonly namespace?: string;
  readonly node?: string;
  readonly gpus?: number;
  readonly cpu?: string;
  readonly memory?: string;
  readonly phase?: string;
  readonly run?: readonly [uid: string, fence: number];
  readonly priority?: number;
  readonly nominated?: string;
  readonly gated?: boolean;
  readonly terminating?: boolean;
  readonly unschedulable?: boolean;
  readonly preempted?: boolean;
  readonly spec?: Record<string, unknown>;
}

/** `{ [name]: value }`, or nothing where the value is not given. */
function given(name: string, value: unknown): Record<string, unknown> {
  return value === undefined ? {} : { [name]: value };
}

/** A raw pod as an API server would give it. */
export function aRawPod(name: string, shape: PodShape = {}): KubeObject {
  const requests = {
    ...given('nvidia.com/gpu', shape.gpus === undefined ? undefined : String(shape.gpus)),
    ...given('cpu', shape.cpu),
    ...given('memory', shape.memory),
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: shape.namespace ?? 'owner-ns',
      uid: shape.uid ?? `uid-${name}`,
      labels: podLabels(shape.run),
      ...given('deletionTimestamp', shape.terminating === true ? '2026-01-01T00:00:00Z' : undefined),
    },
    spec: {
      containers: [{ name: 'main', image: 'x', resources: { requests } }],
      ...given('nodeName', shape.node),
      ...given('priority', shape.priority),
      ...given('schedulingGates', shape.gated === true ? [{ name: 'x.example/gate' }] : undefined),
      ...shape.spec,
    },
    status: podStatus(shape),
  } as KubeObject;
}

function podLabels(run: PodShape['run']): Record<string, string> {
  if (run === undefined) return { app: 'owner' };
  return { 'lumbung.dev/guest': 'true', 'lumbung.dev/job-uid': run[0], 'lumbung.dev/fence': String(run[1]) };
}

function podStatus(shape: PodShape): Record<string, unknown> {
  const unschedulable = {
    type: 'PodScheduled',
    status: 'False',
    reason: 'Unschedulable',
    message: '0/1 nodes are available',
  };
  const preempted = { type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler', message: '' };
  return {
    phase: shape.phase ?? (shape.node === undefined ? 'Pending' : 'Running'),
    conditions: [
      ...(shape.unschedulable === true ? [unschedulable] : []),
      ...(shape.preempted === true ? [preempted] : []),
    ],
    ...given('nominatedNodeName', shape.nominated),
  };
}

export interface NodeShape {
  readonly gpus?: number;
  readonly healthyGpus?: number;
  readonly cpu?: string;
  readonly memory?: string;
  readonly pods?: string;
  readonly product?: string;
  readonly labels?: Record<string, string>;
  readonly taints?: readonly Record<string, string>[];
  readonly ready?: boolean;
  readonly cordoned?: boolean;
}

/** A raw node with NVIDIA GPUs. */
export function aRawNode(name: string, shape: NodeShape = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      uid: `uid-${name}`,
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/arch': 'amd64',
        'nvidia.com/gpu.product': shape.product ?? 'NVIDIA-H100-80GB-HBM3',
        'owner.example/secret-project': 'yes',
        ...shape.labels,
      },
    },
    spec: { ...given('unschedulable', shape.cordoned), ...given('taints', shape.taints) },
    status: nodeStatus(shape),
  } as KubeObject;
}

function nodeStatus({ gpus = 8, healthyGpus = gpus, ready = true, ...shape }: NodeShape): Record<string, unknown> {
  const rest = { cpu: shape.cpu ?? '64', memory: shape.memory ?? '512Gi', pods: shape.pods ?? '110' };
  const withGpus = (count: number): Record<string, string> =>
    gpus === 0 ? rest : { ...rest, 'nvidia.com/gpu': String(count) };
  return {
    capacity: withGpus(gpus),
    allocatable: withGpus(healthyGpus),
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'Unknown' }],
  };
}
