/**
 * Builders of core values for tests: a member, a job, a snapshot with sensible defaults, changed in one line each.
 * Sizes are small and names readable, so that a failing example can be read.
 */
import type { JobSpec } from '../../src/core/model/job.ts';
import {
  fence,
  gpuModel,
  jobUid,
  jurisdiction,
  memberName,
  nodeName,
  poolName,
  tenantName,
} from '../../src/core/model/ids.ts';
import type { NodeOffer, PolicySummary } from '../../src/core/model/member.ts';
import type { PoolRules } from '../../src/core/model/pool.ts';
import type { LeaseTerms, RunEnd, RunReport, RunTerms } from '../../src/core/model/run.ts';
import type { HubRun } from '../../src/core/run/hub-run.ts';
import type {
  ActiveRun,
  MemberSnapshot,
  PendingJob,
  PoolSnapshot,
  Snapshot,
} from '../../src/core/scheduling/snapshot.ts';

const GIB = 2 ** 30;

export const aLease = (over: Partial<LeaseTerms> = {}): LeaseTerms => ({
  durationMs: 2_400_000,
  terminationGraceMs: 60_000,
  marginMs: 30_000,
  maxClockDriftPercent: 1,
  replaceAfterMs: 2_640_000,
  ...over,
});

export const aPolicy = (over: Partial<PolicySummary> = {}): PolicySummary => ({
  state: 'Lending',
  message: 'the owner lends',
  dataJurisdictions: [],
  requireDigest: false,
  logsAllowed: true,
  ...over,
});

export interface NodeSketch {
  readonly name?: string;
  /** Free GPUs. */
  readonly gpus?: number;
  /** GPUs of the empty node; default: the free ones, at least 8. */
  readonly totalGpus?: number;
  readonly model?: string;
  readonly memoryGib?: number;
  readonly vendor?: string;
  readonly resource?: string;
  readonly freeCpuMilli?: number;
  readonly freeMemoryGib?: number;
  readonly freePods?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: NodeOffer['taints'];
}

const PLAIN_NODE = {
  name: 'node-1',
  gpus: 8,
  model: 'H100-80GB',
  memoryGib: 80,
  vendor: 'nvidia',
  resource: 'nvidia.com/gpu',
  freeCpuMilli: 64_000,
  freeMemoryGib: 512,
  freePods: 100,
  labels: {},
  taints: [],
} satisfies NodeSketch;

/** A node of a member's offer: 8 free H100s, 64 CPUs, 512 GiB unless told otherwise. */
export function aNode(sketch: NodeSketch = {}): NodeOffer {
  const node = { ...PLAIN_NODE, ...sketch };
  const total = sketch.totalGpus ?? Math.max(8, node.gpus);
  const free = {
    cpu: node.freeCpuMilli,
    memory: node.freeMemoryGib * GIB,
    pods: node.freePods,
    [node.resource]: node.gpus,
  };
  return {
    node: nodeName(node.name),
    vendor: node.vendor,
    gpuModel: gpuModel(node.model),
    gpuMemoryBytes: node.memoryGib * GIB,
    gpuResource: node.resource,
    totalGpus: total,
    free,
    allocatable: {
      cpu: Math.max(64_000, free.cpu),
      memory: Math.max(512 * GIB, free.memory),
      pods: Math.max(100, free.pods),
      [node.resource]: total,
    },
    labels: node.labels,
    taints: node.taints,
  };
}

export type MemberSketch = Partial<Omit<MemberSnapshot, 'name' | 'jurisdiction'>> & {
  readonly name?: string;
  readonly jurisdiction?: string;
};

/** A ready member in Indonesia with one node of 8 free H100s. */
export function aMember(sketch: MemberSketch = {}): MemberSnapshot {
  const { name, jurisdiction: where, ...over } = sketch;
  return {
    readiness: 'Ready',
    region: 'ap-southeast-3',
    labels: {},
    policy: aPolicy(),
    window: { edges: [] },
    nodes: [aNode()],
    ...over,
    name: memberName(name ?? 'member-a'),
    jurisdiction: jurisdiction(where ?? 'ID'),
  };
}

export type JobSketch = Partial<Omit<JobSpec, 'uid' | 'pool' | 'gpuModels' | 'jurisdictions'>> & {
  readonly uid?: string;
  readonly pool?: string;
  readonly models?: readonly string[];
  readonly jurisdictions?: readonly string[];
};

/** One worker with one GPU of any model, 1 CPU and 1 GiB, in pool `pool`. */
export function aJob(sketch: JobSketch = {}): JobSpec {
  const { uid, pool, models, jurisdictions, ...over } = sketch;
  const id = uid ?? 'job-1';
  return {
    key: { namespace: 'team-a', name: id },
    priority: 0,
    createdAtMs: 1_000,
    workers: 1,
    gpusPerWorker: 1,
    gpuMinMemoryBytes: 0,
    workerRequests: { cpu: 1_000, memory: GIB, pods: 1 },
    nodeTerms: [],
    tolerations: [],
    images: ['registry.example/train:1'],
    regions: [],
    memberSelector: [],
    onPartition: 'KeepAndWait',
    ...over,
    uid: jobUid(id),
    pool: poolName(pool ?? 'pool'),
    gpuModels: (models ?? []).map(gpuModel),
    jurisdictions: (jurisdictions ?? []).map(jurisdiction),
  };
}

/** The job as it waits, of tenant `team-a` unless told otherwise. */
export function pendingJob(
  job: JobSketch = {},
  over: { readonly tenant?: string; readonly avoid?: PendingJob['avoidMembers'] } = {},
): PendingJob {
  return { job: aJob(job), tenant: tenantName(over.tenant ?? 'team-a'), attempt: 1, avoidMembers: over.avoid ?? [] };
}

export type PoolSketch = Partial<Omit<PoolRules, 'name' | 'tenants'>> & {
  readonly name?: string;
  readonly tenants?: Readonly<Record<string, number>>;
};

/** Rules of pool `pool`, open to everybody with weight 1. */
export function poolRules(sketch: PoolSketch = {}): PoolRules {
  const { name, tenants, ...over } = sketch;
  return {
    memberSelector: [],
    vendors: [],
    gpuModels: [],
    gpuMinMemoryBytes: 0,
    defaultTenantWeight: 1,
    defaultMaxRuntimeMs: 86_400_000,
    jurisdictions: [],
    lease: aLease(),
    ...over,
    name: poolName(name ?? 'pool'),
    tenants: Object.entries(tenants ?? {}).map(([tenant, weight]) => ({
      name: tenantName(tenant),
      namespaces: [tenant],
      weight,
    })),
  };
}

export function aPool(rules: PoolSketch, members: readonly string[]): PoolSnapshot {
  return { rules: poolRules(rules), members: members.map(memberName) };
}

/** A snapshot with one pool of all given members, unless pools are given. */
export function aSnapshot(over: Partial<Snapshot> = {}): Snapshot {
  const members = over.members ?? [aMember()];
  return {
    version: 1,
    nowMs: 1_000_000,
    pools: [{ rules: poolRules(), members: members.map((member) => member.name) }],
    pending: [],
    blocked: [],
    active: [],
    ...over,
    members,
  };
}

/** A run that holds GPUs of a tenant. */
export function anActiveRun(
  over: { readonly uid?: string; readonly tenant?: string; readonly gpus?: number; readonly pool?: string } = {},
): ActiveRun {
  return {
    id: { jobUid: jobUid(over.uid ?? 'active-1'), fence: fence(1) },
    pool: poolName(over.pool ?? 'pool'),
    tenant: tenantName(over.tenant ?? 'team-a'),
    member: memberName('member-a'),
    gpuModel: gpuModel('H100-80GB'),
    gpus: over.gpus ?? 1,
    nodes: [{ node: nodeName('node-1'), workers: over.gpus ?? 1 }],
    workerRequests: { pods: 1 },
  };
}

export type RunSketch = Partial<Omit<RunTerms, 'id' | 'member'>> & {
  readonly uid?: string;
  readonly fence?: number;
  readonly member?: string;
};

export function runTerms(sketch: RunSketch = {}): RunTerms {
  const { uid, fence: number, member, ...over } = sketch;
  return {
    job: { namespace: 'team-a', name: 'job-1' },
    attempt: 1,
    pool: poolName('pool'),
    tenant: tenantName('team-a'),
    workers: 2,
    gpusPerWorker: 1,
    gpuModel: gpuModel('H100-80GB'),
    nodes: [{ node: nodeName('node-1'), workers: 2 }],
    lease: aLease(),
    onPartition: 'KeepAndWait',
    maxRuntimeMs: 3_600_000,
    startTimeoutMs: 600_000,
    checkpointGraceMs: 60_000,
    templateHash: 'hash-1',
    ...over,
    id: { jobUid: jobUid(uid ?? 'job-1'), fence: fence(number ?? 1) },
    member: memberName(member ?? 'member-a'),
  };
}

/** A run as the hub holds it, just placed. */
export function aHubRun(terms: RunSketch = {}, over: Partial<Omit<HubRun, 'terms'>> = {}): HubRun {
  return { terms: runTerms(terms), placedAtMs: 1_000, deadlineArmed: false, ...over };
}

/** What a member reports of the run. */
export function aRunReport(terms: RunTerms, over: Partial<RunReport> = {}): RunReport {
  return {
    id: terms.id,
    job: terms.job,
    tenant: terms.tenant,
    pool: terms.pool,
    attempt: terms.attempt,
    templateHash: terms.templateHash,
    gpuModel: terms.gpuModel,
    gpusPerWorker: terms.gpusPerWorker,
    phase: 'Starting',
    workers: { pending: terms.workers, running: 0, succeeded: 0, failed: 0 },
    nodes: terms.nodes,
    gpuSeconds: 0,
    deadlineArmed: false,
    message: '',
    ...over,
  };
}

/** All workers exited 0. */
export function aSuccess(over: Partial<RunEnd> = {}): RunEnd {
  return {
    outcome: 'Succeeded',
    cause: 'Completed',
    message: 'all workers exited 0',
    everStarted: true,
    exits: [],
    endedAtMs: 2_000,
    ...over,
  };
}

export function aFailure(over: Partial<RunEnd> = {}): RunEnd {
  return { ...aSuccess(), outcome: 'Failed', cause: 'NonZeroExit', message: 'worker 0 exited 1', ...over };
}
